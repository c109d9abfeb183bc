"""`forebay engine`: look at engines, take them out, see how they are started."""

from __future__ import annotations

import shlex
import sys
import time
from pathlib import Path

import click

from forebay.cli.engine_register import register
from forebay.cli.flags import Flags, columns, common
from forebay.cli.states import state_word
from forebay.cli.unclaimed import unclaimed
from forebay.cli.wiring import configuration, state_dir
from forebay.controller.status import EngineStatus, read_status
from forebay.core.errors import RunError, UsageError
from forebay.engines.fleet import expand
from forebay.engines.log_tail import follow, last_lines
from forebay.engines.spec import EngineSpec
from forebay.messages import _
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir

_POLL_S = 0.2


@click.group(help=_("List, drain and look into engines."))
def engine() -> None:
    """The noun; its verbs follow."""


engine.add_command(register)
engine.add_command(unclaimed)


@engine.command("list", help=_("Show every engine, what it does and why."))
@common("config", "env", "output")
def list_engines(flags: Flags) -> None:
    status = read_status(state_dir(flags).status)
    if status is None:
        flags.say(_("nothing runs: start it with `forebay up`"))
    engines = status.engines if status is not None else ()
    head = [_("name"), _("model"), _("kind"), _("state"), _("running"), _("waiting"), _("restarts"), _("reason")]
    flags.answer(engines, lambda: columns(head, [_row(each) for each in engines]))


@engine.command("command", help=_("Show how an engine is started: its environment and its command line."))
@click.argument("name")
@common("config", "env", "output")
def command(flags: Flags, name: str) -> None:
    spec = _spec(flags, name)
    if not spec.argv:
        raise UsageError(_("{name} is external: forebay does not start it").format(name=name))
    answer = {"name": name, "argv": spec.argv_at(spec.host, spec.port or "PORT"), "env": spec.env, "cpus": spec.cpus}
    flags.answer(answer, lambda: _shell_line(spec))


@engine.command("logs", help=_("Show the last lines of an engine's log."))
@click.argument("name")
@click.option("-n", "--lines", type=click.IntRange(1, 100_000), default=50, show_default=True, help=_("How many."))
@click.option("-f", "--follow", "following", is_flag=True, help=_("Go on as lines are written."))
@common("config", "env")
def logs(flags: Flags, name: str, lines: int, following: bool) -> None:
    path = _log(state_dir(flags), name)
    for line in last_lines(path, lines):
        click.echo(line)
    if following:
        for line in follow(path, _pause):
            click.echo(line)


@engine.command("drain", help=_("Take an engine out of routing, let it finish its work, and stop it."))
@click.argument("name")
@click.option("--undo", is_flag=True, help=_("Put it back."))
@common("config", "env", "timeout")
def drain(flags: Flags, name: str, undo: bool) -> None:
    state = state_dir(flags)
    patience_s = _patience_s(flags, state, name)
    if not state.database.exists():
        raise RunError(_("nothing runs"), fix=_("Start it with `forebay up`"))
    _intend(state, name, "" if undo else "drain")
    if undo:
        flags.say(_("{name} may take calls again").format(name=name))
        return
    _await_gone(flags, state, name, flags.timeout_s or patience_s)


def _intend(state: StateDir, name: str, intent: str) -> None:
    database = connect(state.database)
    try:
        if intent:
            values = (name, intent, time.time())
            database.execute("INSERT OR REPLACE INTO intents (engine, intent, requested_at) VALUES (?, ?, ?)", values)
        else:
            database.execute("DELETE FROM intents WHERE engine = ?", (name,))
    finally:
        database.close()


def _await_gone(flags: Flags, state: StateDir, name: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    flags.say(_("draining {name}").format(name=name))
    while time.monotonic() < deadline:
        status = read_status(state.status)
        if status is None:
            flags.say(_("nothing runs; it will stay out when the service is started"))
            return
        found = [each for each in status.engines if each.name == name]
        if found and found[0].state == "draining" and (found[0].pid == 0 or found[0].kind == "external"):
            flags.say(_("{name} takes no calls and has stopped").format(name=name))
            return
        time.sleep(_POLL_S)
    raise RunError(_("{name} has not finished after {n:g} s").format(name=name, n=timeout_s))


def _patience_s(flags: Flags, state: StateDir, name: str) -> float:
    """How long draining may take; UsageError where there is no such engine, neither listed nor discovered."""
    status = read_status(state.status)
    if status is not None and any(each.name == name and each.kind == "external" for each in status.engines):
        return 30.0  # nothing is stopped: it only leaves routing
    spec = _spec(flags, name)
    return spec.drain_s + spec.shutdown_s + 30.0


def _spec(flags: Flags, name: str) -> EngineSpec:
    specs = expand(configuration(flags).config, flags.config.resolve().parent)
    for spec in specs:
        if spec.name == name:
            return spec
    known = ", ".join(spec.name for spec in specs)
    raise UsageError(_("there is no engine {name}").format(name=name), fix=_("There are {known}").format(known=known))


def _log(state: StateDir, name: str) -> Path:
    path = state.log(name)
    if "/" in name or not path.is_file():
        raise UsageError(_("there is no log of {name}").format(name=name), where=str(state.logs))
    return path


def _shell_line(spec: EngineSpec) -> str:
    settings = [f"{key}={shlex.quote(value)}" for key, value in sorted(spec.env.items())]
    port = str(spec.port) if spec.port else "PORT"
    return " ".join([*settings, *map(shlex.quote, spec.argv_at(spec.host, port))])


def _row(each: EngineStatus) -> list[object]:
    def number(value: int | None) -> object:
        return "-" if value is None else value

    load = [number(each.running), number(each.waiting)]
    return [each.name, each.model, each.kind, state_word(each.state), *load, each.restarts, each.said.shown]


def _pause() -> bool:
    sys.stdout.flush()
    time.sleep(_POLL_S)
    return True
