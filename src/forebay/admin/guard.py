"""Who may use the admin API: a key of an administrator, from an admitted address, by no page of another site.

Deny by default: a route states the roles that may use it, and a role that is not stated may not. Three administrators
watch one another: the system's changes what runs, the security's grants access, the audit's reads both; none of them
may do another's part, and `forebay key create` on the machine alone makes them.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from forebay.admin.answers import Refused, forbidden, refusal
from forebay.core.errors import ForebayError, StateError
from forebay.gateway.believed import believed
from forebay.gateway.snapshot import KeyRecord, Snapshot, read
from forebay.observe.log import JsonLog
from forebay.security.failures import Failures
from forebay.security.keys import verify
from forebay.security.network import Networks, source_of
from forebay.security.roles import ADMIN, ADMINISTRATORS, SYSTEM, TENANT_ADMIN
from forebay.store.postgres import StoreLost, StoreRefused
from forebay.store.state_dir import StateDir

_SCHEME = "Bearer "
_SAFE = {"GET", "HEAD"}
_CHANGED = {
    False: "The store of keys cannot be reached; nothing was changed.",
    True: "The store of keys was lost; whether something was changed is not known. Look, and ask again.",
}


class Administrator(msgspec.Struct, frozen=True):
    """Who asks: a key's id, its one role, and its tenant, which bounds `tenant:admin` alone."""

    id: str
    role: str
    tenant: str


Handler = Callable[[Request, Administrator], Awaitable[Response]]


class Guard:
    """Stands before every route but `/health`. It reads the snapshot that workers hold: a revoked key ends here too."""

    def __init__(self, state: StateDir, log: JsonLog) -> None:
        self._state = state
        self._log = log
        self._seen: tuple[Path | None, Snapshot | None] = (None, None)
        self._failures: Failures | None = None

    def for_roles(self, roles: Collection[str], handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """`handler` for those whose role is among `roles`; everything is written to the log, whatever becomes of it."""

        async def guarded(request: Request) -> Response:
            who: Administrator | None = None
            try:
                who = await run_in_threadpool(self._admitted, request, roles)
                response = await handler(request, who)
            except Refused as refused:
                response = refusal(refused)
            except (StoreLost, StoreRefused) as error:
                response = refusal(Refused(503, "store_lost", _CHANGED[error.sent]))
                self._log.write("error", "the store of keys is lost", time.time(), detail=str(error))
            except ForebayError as error:
                response = refusal(Refused(400, error.code or "refused", str(error)))
            self._note(request, who, response.status_code)
            return response

        return guarded

    def _admitted(self, request: Request, roles: Collection[str]) -> Administrator:
        """Blocking: the snapshot is a file."""
        snapshot = self._snapshot()
        if snapshot is None:
            raise Refused(503, "not_ready", "The service has no snapshot yet.")
        address = request.client.host if request.client is not None else ""
        rules = snapshot.identity.administrators
        if (rules.allow or rules.deny) and not Networks(rules).admits(address):
            raise forbidden("The admin API is not used from this address.")
        _refuse_other_sites(request)
        who = self._known(request, snapshot, address)
        if who.role not in roles:
            raise forbidden("This key's role does not allow it.")
        return who

    def _known(self, request: Request, snapshot: Snapshot, address: str) -> Administrator:
        given = request.headers.getlist("authorization")
        key: KeyRecord | None = None
        if len(given) == 1 and given[0].startswith(_SCHEME):
            records = {record.id: record for record in snapshot.keys}
            if not believed(self._state.keys_confirmed, snapshot.keys_believed_s, time.time()):
                raise Refused(503, "keys_unavailable", "Whether this key is good cannot be told now.")
            key = verify(records, snapshot.pepper, given[0].removeprefix(_SCHEME), time.time())
        role = None if key is None or time.time() < key.not_before else _role(key)
        if key is None or role is None:
            raise self._unknown(snapshot, address)
        if key.networks and not Networks(
            msgspec.structs.replace(snapshot.identity.administrators, allow=key.networks)
        ).admits(address):
            raise forbidden("This key is not used from this address.")
        return Administrator(key.id, role, key.tenant)

    def _unknown(self, snapshot: Snapshot, address: str) -> Refused:
        if self._failures is None:
            self._failures = Failures(snapshot.identity.failures, time.monotonic)
        self._failures.policy = snapshot.identity.failures
        wait_s = self._failures.failed(source_of(address))
        if wait_s:
            wait = {"Retry-After": str(wait_s)}
            return Refused(429, "too_many_failures", "Too many wrong keys came from this address.", wait)
        ask = {"WWW-Authenticate": 'Bearer realm="forebay admin"'}
        return Refused(401, "invalid_api_key", "Send the key of an administrator.", ask)

    def _snapshot(self) -> Snapshot | None:
        try:
            target = self._state.current_snapshot.resolve(strict=True)
            if self._seen[0] != target:
                self._seen = target, read(self._state.current_snapshot)[1]
        except (OSError, StateError):
            return None
        return self._seen[1]

    def _note(self, request: Request, who: Administrator | None, status: int) -> None:
        fields = {} if who is None else {"key_id": who.id, "role": who.role}
        address = request.client.host if request.client is not None else ""
        self._log.write(
            "info",
            "admin",
            time.time(),
            method=request.method,
            path=_path(request),
            status=status,
            client_ip=address,
            **fields,
        )
        self._log.flush()


def _role(key: KeyRecord) -> str | None:
    """The one role of a key; None for keys of clients, and for one that carries several, which nobody should."""
    found = [scope for scope in key.scopes if scope in ADMINISTRATORS or scope == TENANT_ADMIN]
    if len(found) != 1 or len(key.scopes) != 1:
        return None
    return SYSTEM if found[0] == ADMIN else found[0]


def _refuse_other_sites(request: Request) -> None:
    """A browser says from where a page asks. No browser sends a key on its own, so this is the second lock."""
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    host = request.headers.get("host", "")
    if site not in {"none", "same-origin"} or (origin is not None and urlsplit(origin).netloc != host):
        raise forbidden("Pages of other sites may not use the admin API.")
    if request.method not in _SAFE and request.headers.get("content-type", "").split(";")[0] != "application/json":
        raise Refused(415, "unsupported_media_type", "Send application/json.")


def _path(request: Request) -> str:
    """The route, not the path: what a stranger writes into a path stays out of the log."""
    route = request.scope.get("route")
    return str(getattr(route, "path", ""))
