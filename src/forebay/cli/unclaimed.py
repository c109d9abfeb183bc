"""`forebay engine unclaimed`: engines of this service in the cluster that its state directory knows nothing of."""

from __future__ import annotations

from collections.abc import Sequence

import click

from forebay.cli.flags import Flags, columns, common
from forebay.cli.wiring import configuration, state_dir
from forebay.config.schema import Config
from forebay.controller.unclaimed import adoptable, end, survey
from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.store.state_dir import StateDir
from forebay.substrate.owner import has_number, owner_of, take_number
from forebay.substrate.unclaimed import Unclaimed


@click.command(
    "unclaimed", help=_("Show engines of this service in its cluster that nobody here knows; adopt them, or end them.")
)
@click.option("--adopt", "adopted", metavar="NUMBER", help=_("Take those of this number for our own: `up` goes on."))
@click.option("--end", "ended", metavar="NUMBER", help=_("End those of this number."))
@click.option("--leave", is_flag=True, help=_("They are another service's, of the same name: `up` starts beside them."))
@common("config", "env", "output", "yes")
def unclaimed(flags: Flags, adopted: str | None, ended: str | None, leave: bool) -> None:
    """A state directory that was lost leaves its engines running."""
    if sum((adopted is not None, ended is not None, leave)) > 1:
        raise UsageError(_("--adopt, --end and --leave exclude one another"))
    config, state = configuration(flags).config, state_dir(flags)
    if (adopted is not None or leave) and has_number(config, state):
        raise _known(state)
    found = survey(config, state)
    for host in found.silent:
        flags.say(_("{host} does not answer: what it runs is not seen").format(host=host))
    if leave:
        state.prepare()
        owner_of(config, state)
        flags.say(_("they are left alone"))
    elif adopted is not None:
        _adopt(flags, config, state, _of(found.found, adopted))
    elif ended is not None:
        chosen = _of(found.found, ended)
        _confirm(flags, chosen)
        _end(flags, config, chosen)
    else:
        flags.answer(found.found, lambda: _table(found.found))


def _adopt(flags: Flags, config: Config, state: StateDir, found: Sequence[Unclaimed]) -> None:
    """What the file does not name would run on, and nobody would know of it: it is ended once the others are ours."""
    kept = adoptable(config, flags.config.resolve().parent, found)
    others = [each for each in found if each not in kept]
    if others:
        _confirm(flags, others)
    state.prepare()
    take_number(state, found[0].owner)
    if not owner_of(config, state).startswith(found[0].owner):
        raise _known(state)
    flags.say(_("adopted: {names}. `forebay up` goes on with them").format(names=_names(kept)))
    if others:
        _end(flags, config, others)


def _known(state: StateDir) -> UsageError:
    return UsageError(_("this state directory knows its engines: nothing else can be adopted"), where=str(state.root))


def _confirm(flags: Flags, found: Sequence[Unclaimed]) -> None:
    names = _names(found)
    flags.confirm(_("End {names}?").format(names=names), _("this ends {names}").format(names=names))


def _end(flags: Flags, config: Config, found: Sequence[Unclaimed]) -> None:
    end(config, found)
    flags.say(_("ended: {names}").format(names=_names(found)))


def _of(found: Sequence[Unclaimed], number: str) -> list[Unclaimed]:
    mine = [each for each in found if each.owner == number]
    if not mine:
        known = ", ".join(sorted({each.owner for each in found}))
        raise UsageError(
            _("no engine bears the number {number}").format(number=number),
            fix=_("There are {known}").format(known=known) if known else _("No engine is unclaimed"),
        )
    return mine


def _names(found: Sequence[Unclaimed]) -> str:
    return ", ".join(sorted(each.unit for each in found)) or "-"


def _table(found: Sequence[Unclaimed]) -> str:
    head = [_("number"), _("name"), _("where")]
    return columns(head, [[each.owner, each.unit, each.where or "-"] for each in found])
