"""`forebay privacy consent`: who consents to what, as people say it; every word of theirs is on the audit log."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from forebay.cli.auditing import operator
from forebay.cli.flags import Flags, columns, common
from forebay.cli.wiring import configuration, state_dir
from forebay.core.errors import UsageError
from forebay.messages import _

_SUBJECT = click.option(
    "--subject",
    required=True,
    help=_("The name that calls give in `safety_identifier`, `user` or `metadata.user_id`; `key:ID`: a key's holder."),
)
_TENANT = click.option(
    "--tenant", default="default", show_default=True, help=_("Whose subject it is: names are the tenants' own.")
)
_PURPOSE = click.option("--purpose", required=True, help=_("One of processing.purposes that needs consent."))


@click.group(help=_("Record who consents to what; calls without a consent that they need are refused."))
def consent() -> None:
    """The noun below `privacy`."""


@consent.command(help=_("A person consents to a purpose."))
@_SUBJECT
@_PURPOSE
@_TENANT
@common("config", "env")
def grant(flags: Flags, subject: str, purpose: str, tenant: str) -> None:
    """Recorded before it counts."""
    _say(flags, tenant, subject, purpose, granted=True)
    flags.say(_("{subject} consents to {purpose}").format(subject=subject, purpose=purpose))


@consent.command(help=_("A person withdraws a consent: running streams for it end within two seconds."))
@_SUBJECT
@_PURPOSE
@_TENANT
@common("config", "env")
def withdraw(flags: Flags, subject: str, purpose: str, tenant: str) -> None:
    """On every worker; what was answered until then stays lawful."""
    _say(flags, tenant, subject, purpose, granted=False)
    flags.say(_("{subject} consents to {purpose} no longer").format(subject=subject, purpose=purpose))


@consent.command(help=_("Show what a person has said of each purpose; `forebay audit prove ID` proves it."))
@_SUBJECT
@_TENANT
@common("config", "output")
def show(flags: Flags, subject: str, tenant: str) -> None:
    """The last word on each purpose, with the id of its records on the audit log."""
    from forebay.audit.consents import said_by  # noqa: PLC0415  not needed for --help
    from forebay.audit.persons import person  # noqa: PLC0415

    said = said_by(state_dir(flags).consents, person(tenant, subject))
    rows = [(each.purpose, _("yes") if each.granted else _("no"), _when(each.at_us), each.record) for each in said]
    heads = (_("PURPOSE"), _("CONSENT"), _("SINCE"), _("RECORD"))
    flags.answer(said, table=lambda: columns(heads, rows))


def _say(flags: Flags, tenant: str, subject: str, purpose: str, *, granted: bool) -> None:
    from forebay.audit.client import book  # noqa: PLC0415

    purposes = configuration(flags).config.processing.purposes
    needing = sorted(name for name, each in purposes.items() if each.basis == "consent")
    if granted and purpose not in needing:  # what needs none any more can still be withdrawn
        what = _("{purpose} is no purpose that needs consent").format(purpose=purpose)
        some = _("Purposes that do: {names}").format(names=", ".join(needing))
        raise UsageError(what, fix=some if needing else _("Give one of processing.purposes `basis: consent`"))
    state = state_dir(flags)
    with book(state.audit, state.audit_socket) as log:
        log.consent(tenant, subject, purpose, operator(), granted=granted)


def _when(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
