"""API keys at rest: rows of a database that hold a digest each, and the pepper that the digests need."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from forebay.core.errors import StateError, UsageError
from forebay.core.files import write_once
from forebay.core.networks import network
from forebay.messages import _
from forebay.security.keys import PEPPER, digest, new_key
from forebay.security.roles import ADMINISTRATORS, TENANT, TENANT_ADMIN
from forebay.store.database import Database

_SCOPE = re.compile(r"[a-z][a-z0-9-]{0,31}(?::[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?)?")
_NAME_LENGTH = 120
# The end of the calendar is the year 9999; nobody means a key that outlives its service by a century.
_FURTHEST_S = 100 * 366 * 86400.0
_COLUMNS = (
    "id", "digest", "tenant", "scopes", "name", "created_at", "expires_at", "revoked_at", "not_before", "networks",
    "suspended",
)  # fmt: skip
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM keys"  # noqa: S608  our own words alone


_INSERT = f"INSERT INTO keys ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' for _ in _COLUMNS)})"  # noqa: S608

State = Literal["active", "pending", "suspended", "expired", "revoked"]


class UnknownKey(StateError):
    """Somebody asks for a key that does not exist: on a command line that is a mistake of usage."""

    exit_code = 64


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """A stored key, without its secret. Times are seconds since the epoch; `suspended` says why it is held back."""

    id: str
    digest: str
    tenant: str
    scopes: tuple[str, ...] = ()
    name: str = ""
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    not_before: float | None = None
    networks: tuple[str, ...] = ()
    suspended: str | None = None

    def state(self, now: float) -> State:
        """What the key is at `now`; only an active one opens anything."""
        if self.revoked_at is not None:
            return "revoked"
        if self.has_ended(now):
            return "expired"
        if self.suspended is not None:
            return "suspended"
        return "pending" if self.not_before is not None and now < self.not_before else "active"

    def has_ended(self, now: float) -> bool:
        """Whether the key opens nothing any more."""
        return self.revoked_at is not None or (self.expires_at is not None and now >= self.expires_at)


class KeyGrant(msgspec.Struct, frozen=True, kw_only=True):
    """What a new key is for; no scopes means every route that clients may use."""

    tenant: str = "default"
    scopes: tuple[str, ...] = ()
    name: str = ""
    expires_at: float | None = None
    not_before: float | None = None
    networks: tuple[str, ...] = ()


def create(database: Database, pepper: str, grant: KeyGrant, now: float) -> tuple[KeyRow, str]:
    """Store a new key and return its row and its full text, which exists nowhere else.

    Raises UsageError where the grant is malformed or already expired.
    """
    _check(grant, now)
    text, identity, secret = new_key()
    row = KeyRow(
        id=identity,
        digest=digest(pepper, secret),
        tenant=grant.tenant,
        scopes=tuple(dict.fromkeys(grant.scopes)),
        name=grant.name,
        created_at=now,
        expires_at=grant.expires_at,
        not_before=grant.not_before,
        networks=grant.networks,
    )
    database.execute(_INSERT, _values(row))
    return row, text


def adopt(database: Database, found: Iterable[KeyRow]) -> int:
    """Take keys over that another store with the same pepper holds; returns how many were not here yet."""
    with database.transaction():
        return sum(database.execute(f"{_INSERT} ON CONFLICT (id) DO NOTHING", _values(row)).rowcount for row in found)


def rows(database: Database) -> list[KeyRow]:
    """Every key ever made, oldest first, revoked and expired ones included."""
    return [_row(values) for values in database.execute(f"{_SELECT} ORDER BY created_at, id")]


def active(database: Database, now: float) -> list[KeyRow]:
    """Keys that workers must know at `now`: those that open something, and those that are going to."""
    held = "revoked_at IS NULL AND suspended IS NULL AND (expires_at IS NULL OR expires_at > ?)"
    return [_row(values) for values in database.execute(f"{_SELECT} WHERE {held} ORDER BY created_at, id", (now,))]


def revoke(database: Database, identity: str, now: float) -> KeyRow:
    """Mark a key as revoked and return it; a second time changes nothing. UnknownKey where there is no such key."""
    find(database, identity)
    database.execute("UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (now, identity))
    return find(database, identity)


def forget_name(database: Database, identity: str) -> None:
    """What a key is called may name its holder."""
    database.execute("UPDATE keys SET name = '' WHERE id = ?", (identity,))


def suspend(database: Database, identity: str, why: str) -> bool:
    """Hold a key back until `resume`: not revoked, as the suspicion may be wrong. False where it was held back already.

    UnknownKey where there is no such key.
    """
    find(database, identity)
    changed = database.execute("UPDATE keys SET suspended = ? WHERE id = ? AND suspended IS NULL", (why, identity))
    return changed.rowcount > 0


def resume(database: Database, identity: str) -> KeyRow:
    """Give a key free that was held back, and return it. UnknownKey where there is no such key."""
    find(database, identity)
    database.execute("UPDATE keys SET suspended = NULL WHERE id = ?", (identity,))
    return find(database, identity)


def rotate(database: Database, pepper: str, identity: str, overlap_s: float, now: float) -> tuple[KeyRow, KeyRow, str]:
    """Give the holder of a key a new one; the old one ends after `overlap_s`. Returns old row, new row, new text.

    The new key does what the old one did and ends when it would have. StateError where the old one is not active.
    """
    with database.transaction():
        old = find(database, identity)
        if old.state(now) != "active":
            raise _cannot_rotate(old, now)
        grant = KeyGrant(
            tenant=old.tenant, scopes=old.scopes, name=old.name, expires_at=old.expires_at, networks=old.networks
        )
        row, text = create(database, pepper, grant, now)
        ends_at = now + overlap_s if old.expires_at is None else min(old.expires_at, now + overlap_s)
        database.execute("UPDATE keys SET expires_at = ? WHERE id = ?", (ends_at, identity))
    return msgspec.structs.replace(old, expires_at=ends_at), row, text


def _cannot_rotate(old: KeyRow, now: float) -> StateError:
    if old.has_ended(now):
        what = _("the key {id} has ended already")
        return StateError(what.format(id=old.id), fix=_("Create a new one with `forebay key create`"), code="key_ended")
    if old.suspended is not None:
        what = _("the key {id} is suspended: {why}").format(id=old.id, why=old.suspended)
        return StateError(what, fix=_("`forebay key resume` gives it free, `forebay key revoke` ends it"))
    return StateError(
        _("the key {id} is not in force yet").format(id=old.id),
        fix=_("Revoke it with `forebay key revoke` and create another"),
    )


def find(database: Database, identity: str) -> KeyRow:
    """The key with this id; UnknownKey where there is none."""
    if identity.isalnum():  # else it is none of ours, and may hold what not every database takes
        for values in database.execute(f"{_SELECT} WHERE id = ?", (identity,)):
            return _row(values)
    raise UnknownKey(
        _("there is no key with the id {id!r}").format(id=identity[:64]),
        fix=_("`forebay key list` shows the ids"),
        code="key_unknown",
    )


def load_pepper(path: Path) -> str:
    """Read the pepper, making it on first use; StateError where it is damaged or others may read it.

    It lies beside the database, not in it: a copy of the database alone does not allow guesses to be checked.
    """
    if not path.exists():
        write_once(path, f"{secrets.token_hex(32)}\n".encode())
    try:
        mode, text = path.stat().st_mode, path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StateError(_("the pepper cannot be read"), where=str(path), detail=str(error)) from error
    if mode & 0o077:
        raise StateError(_("others may read the pepper"), where=str(path), fix=f"chmod 600 {path}")
    if not PEPPER.fullmatch(text):
        raise StateError(
            _("the pepper is damaged: no stored key can be checked"),
            where=str(path),
            fix=_("Restore it from a backup; or remove it and state.db and create new keys"),
        )
    return text


def _check(grant: KeyGrant, now: float) -> None:
    if not TENANT.fullmatch(grant.tenant):
        raise UsageError(
            _("{value!r} is not a tenant's name").format(value=grant.tenant),
            fix=_("Use lower-case letters, digits, dots and dashes, at most 64"),
        )
    for scope in grant.scopes:
        if not _SCOPE.fullmatch(scope):
            raise UsageError(_("{value!r} is not a scope").format(value=scope), fix=_("Write it like `models:read`"))
    if len(grant.name) > _NAME_LENGTH or not grant.name.isprintable():
        raise UsageError(_("a key's name is at most {n} printable characters").format(n=_NAME_LENGTH))
    _check_roles(grant.scopes)
    _check_networks(grant.networks)
    if grant.expires_at is not None and grant.expires_at <= max(now, grant.not_before or 0.0):
        raise UsageError(_("the key would already have expired"), fix=_("Give a time to come, such as 90d"))
    # A key in the store whose time no calendar knows could not be listed any more, nor any other beside it.
    if not all(0 <= at <= now + _FURTHEST_S for at in (grant.expires_at, grant.not_before) if at is not None):
        raise UsageError(_("a key begins and ends within 100 years"), fix=_("Give a time to come, such as 90d"))


def _check_roles(scopes: tuple[str, ...]) -> None:
    """One administrator is not another, and none is a client: whoever grants must not use, whoever uses not watch."""
    roles = (ADMINISTRATORS | {TENANT_ADMIN}).intersection(scopes)
    if roles and len(set(scopes)) > 1:
        raise UsageError(
            _("a key of an administrator carries one role alone: {scopes}").format(scopes=", ".join(scopes)),
            fix=_("Create a key for each"),
        )


def _check_networks(networks: tuple[str, ...]) -> None:
    for text in networks:
        try:
            network(text)
        except ValueError:
            raise UsageError(
                _("{value!r} is not a network").format(value=text),
                fix=_("Write an address and the length of its prefix, such as 10.0.0.0/8"),
            ) from None


def _values(row: KeyRow) -> list[object]:
    values = msgspec.structs.asdict(row) | {"scopes": json.dumps(row.scopes), "networks": json.dumps(row.networks)}
    return [values[column] for column in _COLUMNS]


def _row(values: Sequence[object]) -> KeyRow:
    fields = dict(zip(_COLUMNS, tuple(values), strict=True))
    fields["scopes"] = json.loads(str(fields["scopes"]))
    fields["networks"] = json.loads(str(fields["networks"]))
    return msgspec.convert(fields, KeyRow)
