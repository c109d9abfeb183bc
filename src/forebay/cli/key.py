"""`forebay key`: create, list, rotate and revoke API keys. A key's text is shown once and stored nowhere."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import click

from forebay.cli.auditing import decided
from forebay.cli.flags import Duration, Flags, columns, common
from forebay.cli.key_opening import opened_keys
from forebay.cli.wiring import state_dir
from forebay.config.schema.store import Store
from forebay.controller.in_force import Claim, await_everywhere, running_workers
from forebay.core.errors import RunError, StateError, UsageError
from forebay.gateway.uses import last_used
from forebay.messages import _, ngettext
from forebay.security import key_store
from forebay.security.key_store import KeyGrant, KeyRow
from forebay.security.roles import ADMINISTRATORS, CLIENT_SCOPES, ROLE, TENANT_ADMIN
from forebay.security.stores import Keys, opened
from forebay.store.state_dir import StateDir

_IN_FORCE_S = 10.0


@click.group(help=_("Create, list, rotate and revoke API keys."))
def key() -> None:
    """Group of the commands below."""


@key.command(help=_("Create a key and print it: it is shown this once."))
@click.option("--name", default="", help=_("What the key is for."))
@click.option("--tenant", default="default", show_default=True, help=_("Whose key it is."))
@click.option("--scope", "scopes", multiple=True, help=_("What it may do, such as `inference`; repeat it for more."))
@click.option("--expires", type=Duration(), help=_("When it ends, such as 90d. Default: never."))
@click.option("--begins", type=Duration(), help=_("How long from now until it opens anything. Default: at once."))
@click.option(
    "--from", "networks", multiple=True, metavar="NETWORK", help=_("Where it may be used, such as 10.0.0.0/8.")
)
@common("config", "env", "output", "timeout")
def create(flags: Flags, **given: Any) -> None:
    """The key goes to stdout alone, so that `KEY=$(forebay key create)` works."""
    now = time.time()
    grant = KeyGrant(
        tenant=given["tenant"],
        scopes=given["scopes"],
        name=given["name"],
        expires_at=None if given["expires"] is None else now + given["expires"],
        not_before=None if given["begins"] is None else now + given["begins"],
        networks=given["networks"],
    )
    scopes = " ".join(grant.scopes)
    with (
        opened_keys(flags) as (state, keys),
        decided(state_dir(flags), "key.create", tenant=grant.tenant, scopes=scopes),
    ):
        row, text = key_store.create(keys.database, keys.pepper, grant, now)
        _tell_empty(flags, grant.scopes)
        _show_new(flags, state, keys, row, text)


@key.command("list", help=_("List every key; the secrets are not stored and cannot be shown."))
@common("config", "env", "output")
def list_(flags: Flags) -> None:
    """Revoked and expired keys are listed too: what was once valid may have to be explained."""
    now = time.time()
    with opened_keys(flags) as (state, keys):
        found, used = key_store.rows(keys.database), last_used(state, keys.used_elsewhere())
    head = (_("ID"), _("NAME"), _("TENANT"), _("SCOPES"), _("CREATED"), _("EXPIRES"), _("LAST USED"), _("STATE"))
    flags.answer(
        [_public(row, now) | {"last_used_at": _moment(used.get(row.id)) or None} for row in found],
        lambda: columns(head, [_cells(row, now, used.get(row.id)) for row in found]),
    )


@key.command(help=_("Create a new key for the holder of one; the old one works until the overlap is over."))
@click.argument("identity", metavar="ID")
@click.option("--overlap", type=Duration(), default="1d", show_default=True, help=_("How long both work."))
@common("config", "env", "output", "timeout")
def rotate(flags: Flags, identity: str, overlap: float) -> None:
    """Tenant, scopes, name and expiry pass to the new key."""
    with opened_keys(flags) as (state, keys):
        with decided(state, "key.rotate", key=identity):
            old, row, text = key_store.rotate(keys.database, keys.pepper, identity, overlap, time.time())
        flags.say(_("The old key {id} works until {time}.").format(id=old.id, time=_moment(old.expires_at)))
        _show_new(flags, state, keys, row, text)


@key.command(help=_("Revoke a key; returns when no worker accepts it any more."))
@click.argument("identity", metavar="ID")
@common("config", "env", "output", "timeout")
def revoke(flags: Flags, identity: str) -> None:
    """Exit 1 where a worker may still accept the key when the time is over."""
    now = time.time()
    with opened_keys(flags) as (state, keys):
        with decided(state, "key.revoke", urgent=True, key=identity):
            row = key_store.revoke(keys.database, identity, now)
        late = _await(flags, state, keys, lambda snapshot: all(known.id != row.id for known in snapshot.keys))
        runs = bool(running_workers(state))
    if late:
        raise RunError(
            _("the key {id} is revoked in the store, but {workers} may still accept it").format(
                id=row.id, workers=", ".join(late)
            ),
            fix=_("See whether the controller runs: `forebay status`. Running the command again waits again"),
            code="not_in_force",
        )
    flags.answer(_public(row, now) | {"in_force": True}, lambda: _revoked_line(row, runs=runs))


@key.command(help=_("Hold a key back: it opens nothing until it is given free again."))
@click.argument("identity", metavar="ID")
@click.option("--why", default="", help=_("The reason, for whoever asks later."))
@common("config", "env", "output", "timeout")
def suspend(flags: Flags, identity: str, why: str) -> None:
    """Like revoke, but it can be taken back."""
    with opened_keys(flags) as (state, keys):
        with decided(state, "key.suspend", urgent=True, key=identity):
            key_store.suspend(keys.database, identity, why or _("by an operator"))
        late = _await(flags, state, keys, lambda snapshot: all(known.id != identity for known in snapshot.keys))
        row = key_store.find(keys.database, identity)
    if late:
        raise _not_in_force(identity, late)
    flags.answer(_public(row, time.time()), lambda: _("{id} is suspended").format(id=identity))


@key.command(help=_("Give a key free that was held back."))
@click.argument("identity", metavar="ID")
@common("config", "env", "output", "timeout")
def resume(flags: Flags, identity: str) -> None:
    """The key does again what it did."""
    with opened_keys(flags) as (state, keys):
        with decided(state, "key.resume", key=identity):
            row = key_store.resume(keys.database, identity)
        late = _await(flags, state, keys, lambda snapshot: any(known.id == identity for known in snapshot.keys))
    if late and row.state(time.time()) == "active":
        raise _not_in_force(identity, late)
    flags.answer(_public(row, time.time()), lambda: _("{id} is free again").format(id=identity))


@key.command(help=_("Copy the keys of this machine's own store into the one that machines share."))
@common("config", "env", "output")
def adopt(flags: Flags) -> None:
    """For a service whose `store.postgres` is new; keys that are there already stay as they are there."""
    with opened_keys(flags) as (state, keys):
        if not keys.shared:
            raise UsageError(_("this machine shares no store"), fix=_("Write store.postgres into the configuration"))
        with opened(Store(), state, flags.config.resolve().parent) as own:
            if own.pepper != keys.pepper:
                raise StateError(
                    _("keys made here do not open anything there: the pepper is another one"),
                    where=str(state.pepper),
                    fix=_("Give store.postgres.pepper the content of this file"),
                    code="pepper_differs",
                )
            found = key_store.rows(own.database)
        with decided(state, "key.adopt", keys=len(found)):
            taken = key_store.adopt(keys.database, found)
    told = ngettext("{n} key is taken over", "{n} keys are taken over", taken)
    flags.answer({"found": len(found), "taken": taken}, lambda: told.format(n=taken))


def _not_in_force(identity: str, late: tuple[str, ...]) -> RunError:
    return RunError(
        _("the change of the key {id} is stored, but {workers} do not know it yet").format(
            id=identity, workers=", ".join(late)
        ),
        fix=_("See whether the controller runs: `forebay status`"),
        code="not_in_force",
    )


def _tell_empty(flags: Flags, scopes: tuple[str, ...]) -> None:
    """Whoever mistyped a scope hears it now, not from the caller who is refused; roles may be written later."""
    known = CLIENT_SCOPES | ADMINISTRATORS | {TENANT_ADMIN}
    for scope in scopes:
        if scope not in known and not scope.startswith(ROLE):
            names = ", ".join([*sorted(known), f"{ROLE}NAME"])
            flags.say(_("The scope {scope} allows nothing. Scopes that do: {names}").format(scope=scope, names=names))


def _show_new(flags: Flags, state: StateDir, keys: Keys, row: KeyRow, text: str) -> None:
    flags.answer(_public(row, row.created_at) | {"key": text}, lambda: text)
    late = _await(flags, state, keys, lambda snapshot: any(known.id == row.id for known in snapshot.keys))
    if late:
        flags.say(_("The key is stored, but {workers} do not accept it yet.").format(workers=", ".join(late)))


def _await(flags: Flags, state: StateDir, keys: Keys, claim: Claim) -> tuple[str, ...]:
    return await_everywhere(state, keys, claim, _IN_FORCE_S if flags.timeout_s is None else flags.timeout_s)


def _revoked_line(row: KeyRow, *, runs: bool) -> str:
    if runs:
        return _("{id} is revoked; no worker accepts it").format(id=row.id)
    return _("{id} is revoked; the service does not run").format(id=row.id)


def _public(row: KeyRow, now: float) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "tenant": row.tenant,
        "scopes": list(row.scopes),
        "networks": list(row.networks),
        "created_at": _moment(row.created_at),
        "not_before": _moment(row.not_before) or None,
        "expires_at": _moment(row.expires_at) or None,
        "revoked_at": _moment(row.revoked_at) or None,
        "suspended": row.suspended,
        "state": row.state(now),
    }


def _cells(row: KeyRow, now: float, used_at: float | None) -> tuple[str, ...]:
    states = {
        "active": _("active"),
        "pending": _("pending"),
        "expired": _("expired"),
        "revoked": _("revoked"),
        "suspended": _("suspended"),
    }
    times = (_moment(row.created_at), _moment(row.expires_at) or "-", _moment(used_at) or "-")
    return (row.id, row.name or "-", row.tenant, ",".join(row.scopes) or "-", *times, states[row.state(now)])


def _moment(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
