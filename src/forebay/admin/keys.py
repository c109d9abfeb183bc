"""Keys over the admin API: made, listed, rotated, revoked. Whoever may not see one is told that there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from forebay.admin.answers import answer, forbidden, not_found
from forebay.admin.body import read_body
from forebay.admin.guard import Administrator
from forebay.admin.unrecorded import unrecorded
from forebay.audit.client import decided
from forebay.audit.record import Fact
from forebay.config.schema.store import Store
from forebay.controller.in_force import Claim, await_everywhere
from forebay.core.errors import StateError
from forebay.gateway.uses import last_used
from forebay.observe.log import JsonLog
from forebay.security import key_store
from forebay.security.key_store import KeyGrant, KeyRow
from forebay.security.roles import ADMINISTRATORS, CLIENT_SCOPES, ROLE, TENANT_ADMIN
from forebay.security.stores import Keys, opened
from forebay.store.database import Database
from forebay.store.state_dir import StateDir

_IN_FORCE_S = 5.0
_ROOT = Path("/")  # the store's paths are whole: this process does not know where the configuration lies


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller may say of a key that is to be made. Times are seconds from now."""

    scopes: tuple[str, ...]
    tenant: str = ""
    name: str = ""
    expires_s: float | None = None
    begins_s: float | None = None
    networks: tuple[str, ...] = ()


class Overlap(msgspec.Struct, frozen=True):
    """How long the old key works beside the new one."""

    overlap_s: float = 86400.0


class KeysApi:
    """The handlers. Every one sees only the keys that its caller may see."""

    def __init__(self, state: StateDir, store: Store, log: JsonLog) -> None:
        self._state, self._store, self._log = state, store, log

    async def every(self, _request: Request, who: Administrator) -> Response:
        """Every key that the caller may see, ended ones too."""
        return answer({"keys": await run_in_threadpool(self._listed, who)})

    async def show(self, request: Request, who: Administrator) -> Response:
        """One key, without its secret, which is nowhere."""
        return answer(await run_in_threadpool(self._shown, request.path_params["id"], who))

    async def create(self, request: Request, who: Administrator) -> Response:
        """Make a key; its text is in this answer and nowhere else."""
        wanted = await read_body(request, NewKey)
        return answer(await run_in_threadpool(self._created, wanted, who), 201)

    async def rotate(self, request: Request, who: Administrator) -> Response:
        """A new key with the rights of the old one, which ends after the overlap."""
        overlap = await read_body(request, Overlap)
        return answer(await run_in_threadpool(self._rotated, request.path_params["id"], overlap.overlap_s, who), 201)

    async def revoke(self, request: Request, who: Administrator) -> Response:
        """End a key; `in_force` says whether every worker has heard of it."""
        identity = request.path_params["id"]
        tell = unrecorded(self._log, "key.revoke", who)
        return answer(await run_in_threadpool(self._revoked, identity, who, tell))

    def _listed(self, who: Administrator) -> list[dict[str, Any]]:
        with self._opened() as keys:
            used = last_used(self._state, keys.used_elsewhere())
            return [_public(row, used.get(row.id)) for row in key_store.rows(keys.database) if _sees(who, row)]

    def _shown(self, identity: str, who: Administrator) -> dict[str, Any]:
        with self._opened() as keys:
            used = last_used(self._state, keys.used_elsewhere())
            return _public(_found(keys.database, identity, who), used.get(identity))

    def _created(self, wanted: NewKey, who: Administrator) -> dict[str, Any]:
        _check_grantable(wanted.scopes, who)
        if who.role == TENANT_ADMIN and wanted.tenant not in ("", who.tenant):
            raise forbidden("This key makes keys of its own tenant.")
        now = time.time()
        grant = KeyGrant(
            tenant=wanted.tenant or who.tenant,
            scopes=wanted.scopes,
            name=wanted.name,
            expires_at=None if wanted.expires_s is None else now + wanted.expires_s,
            not_before=None if wanted.begins_s is None else now + wanted.begins_s,
            networks=wanted.networks,
        )
        facts: dict[str, Fact] = {"tenant": grant.tenant, "scopes": " ".join(grant.scopes)}
        with self._opened() as keys, decided(self._state, "key.create", who.id, facts):
            row, text = key_store.create(keys.database, keys.pepper, grant, now)
            in_force = self._in_force(keys, _knows(row.id))
        return _public(row, None) | {"key": text, "in_force": in_force}

    def _rotated(self, identity: str, overlap_s: float, who: Administrator) -> dict[str, Any]:
        if not 0 <= overlap_s <= 90 * 86400:
            raise forbidden("Two keys may overlap for 90 days at most.")
        with self._opened() as keys:
            row = _changeable(keys.database, identity, who)
            _check_grantable(row.scopes, who)
            with decided(self._state, "key.rotate", who.id, {"tenant": row.tenant, "key": identity}):
                old, new, text = key_store.rotate(keys.database, keys.pepper, identity, overlap_s, time.time())
            in_force = self._in_force(keys, _knows(new.id))
        ends = {"key": text, "old": _public(old, None), "in_force": in_force}
        return _public(new, None) | ends

    def _revoked(self, identity: str, who: Administrator, tell: Callable[[str], None]) -> dict[str, Any]:
        with self._opened() as keys:
            tenant = _changeable(keys.database, identity, who).tenant
            facts: dict[str, Fact] = {"tenant": tenant, "key": identity}
            # A key that must go goes, recorded or not.
            with decided(self._state, "key.revoke", who.id, facts, tell):
                row = key_store.revoke(keys.database, identity, time.time())
            gone = self._in_force(keys, lambda snapshot: all(known.id != identity for known in snapshot.keys))
        return _public(row, None) | {"in_force": gone}

    def _in_force(self, keys: Keys, claim: Claim) -> bool:
        return not await_everywhere(self._state, keys, claim, _IN_FORCE_S)

    def _opened(self) -> AbstractContextManager[Keys]:
        return opened(self._store, self._state, _ROOT)


def _knows(identity: str) -> Claim:
    return lambda snapshot: any(known.id == identity for known in snapshot.keys)


def _sees(who: Administrator, row: KeyRow) -> bool:
    """A tenant's administrator sees the tenant's keys of clients, and no other key exists for it."""
    if who.role != TENANT_ADMIN:
        return True
    return row.tenant == who.tenant and ADMINISTRATORS.isdisjoint(row.scopes)


def _found(database: Database, identity: str, who: Administrator) -> KeyRow:
    try:
        row = key_store.find(database, identity)
    except StateError:
        raise not_found() from None
    if not _sees(who, row):
        raise not_found()
    return row


def _changeable(database: Database, identity: str, who: Administrator) -> KeyRow:
    row = _found(database, identity, who)
    if not ADMINISTRATORS.isdisjoint(row.scopes) or (TENANT_ADMIN in row.scopes and who.role == TENANT_ADMIN):
        raise forbidden("Keys of administrators are changed with `forebay key` on the machine.")
    return row


def _check_grantable(scopes: tuple[str, ...], who: Administrator) -> None:
    """Nobody gives what is more than clients have, but the security administrator a tenant its own administrator."""
    if not scopes:
        raise forbidden("Say the scopes: a key without any may do whatever clients may.")
    for scope in scopes:
        if scope in CLIENT_SCOPES or (scope == TENANT_ADMIN and who.role != TENANT_ADMIN):
            continue
        if scope.startswith(ROLE) and who.role != TENANT_ADMIN:
            continue
        raise forbidden("This key may not grant that scope.")


def _public(row: KeyRow, used_at: float | None) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "tenant": row.tenant,
        "scopes": list(row.scopes),
        "networks": list(row.networks),
        "created_at": row.created_at,
        "not_before": row.not_before,
        "expires_at": row.expires_at,
        "revoked_at": row.revoked_at,
        "last_used_at": used_at,
        "suspended": row.suspended,
        "state": row.state(time.time()),
    }
