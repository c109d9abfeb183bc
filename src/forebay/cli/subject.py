"""`forebay privacy erase`, `export`, `hold`, `release`, `receipt`: what a person may ask for, and what a court may."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from forebay.audit.persons import named
from forebay.cli.auditing import decided, opened_log, operator, own_key, readable
from forebay.cli.flags import Flags, common
from forebay.cli.wiring import configuration, state_dir
from forebay.config.schema import Config
from forebay.core.errors import RunError
from forebay.core.units import show_duration
from forebay.messages import _
from forebay.store.state_dir import StateDir

_KEY = "key:"
_TENANT = click.option(
    "--tenant", default="default", show_default=True, help=_("Whose subject it is: names are the tenants' own.")
)


@click.command(help=_("Write everything that is kept of a person, for them."))
@click.argument("subject")
@_TENANT
@common("config")
def export(flags: Flags, subject: str, tenant: str) -> None:
    """SUBJECT is the name that calls give in `user` or `safety_identifier`, or `key:ID` for the holder of a key."""
    from forebay.audit.consents import said_by  # noqa: PLC0415  not needed for --help
    from forebay.audit.export import Wanted, rows  # noqa: PLC0415
    from forebay.audit.persons import person  # noqa: PLC0415
    from forebay.audit.store import leaves_of  # noqa: PLC0415
    from forebay.cli.holder import kept_of_holder  # noqa: PLC0415

    state = state_dir(flags)
    with decided(state, "privacy.export", tenant=tenant), opened_log(state.audit) as (database, opener):
        found = [row for row in rows(leaves_of(database), opener, Wanted(tenant=tenant)) if _is_about(row, subject)]
    flags.output = "json" if flags.output == "table" else flags.output
    said = said_by(state.consents, person(tenant, subject))
    holds = kept_of_holder(flags, subject.removeprefix(_KEY)) if subject.startswith(_KEY) else {}
    flags.answer({"subject": subject, "tenant": tenant, "consents": said, **holds, "records": found})


@click.command(help=_("Destroy the keys of a person's records and print a signed receipt; nothing brings them back."))
@click.argument("subject")
@_TENANT
@common("config", "env", "yes")
def erase(flags: Flags, subject: str, tenant: str) -> None:
    """Exit 1 under a legal hold. The log verifies before and after; the receipt says what becomes of each store."""
    from forebay.audit.client import book  # noqa: PLC0415
    from forebay.audit.receipt import Erased, lines_of, receipt  # noqa: PLC0415
    from forebay.audit.signing import log_signer  # noqa: PLC0415
    from forebay.controller.erased import drop_answers  # noqa: PLC0415

    state = _with_log(flags)
    question = _("Erase {subject} of {tenant} for good?").format(subject=subject, tenant=tenant)
    flags.confirm(question, _("what is erased cannot be brought back"))
    config = configuration(flags).config
    with book(state.audit, state.audit_socket) as log:
        done = log.shred(tenant, subject, operator())
    if done.held:
        what = _("{subject} is under a legal hold: nothing is erased").format(subject=subject)
        raise RunError(what, fix=_("Release it first: forebay privacy release"), code="held")
    if subject.startswith(_KEY):
        _end_key(flags, subject.removeprefix(_KEY))
    drop_answers(config, state, flags.config.resolve().parent)
    signer = log_signer(state.audit, "unused")
    erased = Erased(
        log=signer.verifier.name,
        record=done.position,
        at=datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        tenant=tenant,
        subject=subject,
        keys=len(done.keys),
        stores=lines_of(_stores(config, subject)),
    )
    click.echo(str(receipt(erased, signer)), nl=False)
    if not done.keys:
        flags.say(_("nothing was kept of {subject}").format(subject=subject))


@click.command(help=_("Legal hold: nothing of this person is erased, by anybody or by its age, until it is released."))
@click.argument("subject")
@_TENANT
@common("config")
def hold(flags: Flags, subject: str, tenant: str) -> None:
    """Recorded, as its end is."""
    _hold(flags, subject, tenant, on=True)
    flags.say(_("{subject} is held").format(subject=subject))


@click.command(help=_("End a legal hold."))
@click.argument("subject")
@_TENANT
@common("config")
def release(flags: Flags, subject: str, tenant: str) -> None:
    """What its age would have destroyed meanwhile goes within the hour."""
    _hold(flags, subject, tenant, on=False)
    flags.say(_("{subject} is released").format(subject=subject))


@click.command(help=_("Check a receipt of an erasure and show what it says; exit 1 where it is none of this log's."))
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", metavar="VKEY", help=_("The log's public key from elsewhere. Default: the one beside the log."))
@common("config")
def receipt(flags: Flags, file: Path, key: str | None) -> int:
    """Offline, with the key alone."""
    from forebay.audit.note import BadNote, read_note, read_verifier  # noqa: PLC0415
    from forebay.audit.receipt import check  # noqa: PLC0415

    with readable():
        log = own_key(state_dir(flags).audit) if key is None else read_verifier(key)
        note = read_note(file.read_text(encoding="utf-8"))
    try:
        click.echo("\n".join(check(note, log)))
    except BadNote as error:
        flags.say(str(error))
        return 1
    return 0


def _hold(flags: Flags, subject: str, tenant: str, *, on: bool) -> None:
    from forebay.audit.client import book  # noqa: PLC0415

    state = _with_log(flags)
    with book(state.audit, state.audit_socket) as log:
        log.hold(tenant, subject, operator(), on=on)


def _with_log(flags: Flags) -> StateDir:
    from forebay.audit.client import exists  # noqa: PLC0415

    state = state_dir(flags)
    if not exists(state.audit):
        raise RunError(
            _("there is no audit log, which is all that knows people by name"),
            where=str(state.audit),
            fix=_("Records are kept where `audit.enabled` is true"),
        )
    return state


def _is_about(row: dict[str, Any], subject: str) -> bool:
    if subject.startswith(_KEY):
        return row.get("key") == subject.removeprefix(_KEY) and "subject" not in row and not row["erased"]
    return row.get("subject") == named(subject)


def _end_key(flags: Flags, identity: str) -> None:
    """A key's holder is gone with its key: it opens nothing any more, and its name says nothing."""
    from forebay.cli.key_opening import opened_keys  # noqa: PLC0415
    from forebay.security import key_store  # noqa: PLC0415
    from forebay.store.sqlite import leave_nothing  # noqa: PLC0415

    with opened_keys(flags) as (state, keys), decided(state, "key.revoke", urgent=True, key=identity):
        key_store.revoke(keys.database, identity, time.time())
        key_store.forget_name(keys.database, identity)
        if not keys.shared:
            leave_nothing(state.database)


def _stores(config: Config, subject: str) -> list[tuple[str, str]]:
    """What becomes of a person's traces in each store that is on; in English, as receipts are signed."""
    from forebay.privacy.stores import STORES, bound_s  # noqa: PLC0415  not needed for --help

    told = []
    for name, store in STORES.items():
        if store.on(config) and store.erased:
            kept_s = bound_s(config, name)
            within = "a time that nothing declares" if kept_s is None else show_duration(kept_s)
            told.append((name, store.erased.format(within=within)))
    if not subject.startswith(_KEY):
        told = [each for each in told if each[0] != "keys"]
    copies = "hold the keys as long as they are kept; one that is restored beside this log loses them"
    return [*told, ("copies of subjects.db", copies)]
