"""`forebay up`, `down`, `status`: the life of the service."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

import click
import msgspec

from forebay.cli import releasing
from forebay.cli.dev_key import curl_line, ensure_dev_key
from forebay.cli.flags import Flags, columns, common, paint
from forebay.cli.key_opening import environment_of, leave_store
from forebay.cli.preflight import preflight
from forebay.cli.rollout import lines as rollout_lines
from forebay.cli.service import (
    Start,
    abandon,
    await_ready,
    bring_down,
    controller_record,
    file_that_runs,
    launch,
    sole,
    tell_changes,
)
from forebay.cli.states import state_word
from forebay.cli.wiring import checked_configuration, state_dir
from forebay.controller.status import Status, UnitStatus, read_status
from forebay.controller.unclaimed import refuse_second_fleet
from forebay.core.errors import ConfigError, RunError, StateError, UsageError
from forebay.core.proc import start_ticks
from forebay.engines.fleet import expand
from forebay.engines.spec import EngineSpec
from forebay.messages import _
from forebay.messages.reasons import because
from forebay.release.running import refuse_second
from forebay.release.version import read_config
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate

_READY_MARGIN_S = 60.0
_FOLLOW_S = 0.5
_COLOURS = {"ready": "green", "failed": "red", "stalled": "red", "stopped": "red"}


@click.command(help=_("Start the service and wait until it is ready; converge where it already runs."))
@click.option("--detach", is_flag=True, help=_("Return once it is ready, and leave it running."))
@common("config", "env", "output", "timeout")
def up(flags: Flags, detach: bool) -> int:
    """Check, start, wait; a start that fails leaves nothing running that did not run before."""
    loaded = checked_configuration(flags)
    state = state_dir(flags)
    specs = expand(loaded.config, flags.config.resolve().parent)
    start = Start(config=loaded.config, config_path=flags.config, environment=flags.environment, state=state)
    # From before the start to the end of the foreground without a gap: a SIGTERM that the default handler takes would
    # end us and leave the service running.
    with _interrupted_by_sigterm():
        try:
            state.prepare()
            with sole(state):
                # A controller that lost its state directory lives, and has nothing to tell.
                lives = controller_record(state) is not None
                fresh = not (lives and state.running.exists() and state.status.exists())
                if fresh:
                    refuse_second_fleet(loaded.config, state)
                findings = preflight(loaded.config, specs, state, flags.config.resolve().parent)
                if findings:
                    raise ConfigError(_("the service cannot be started"), findings=findings)
                status = _start(flags, start, specs, alone=not lives) if fresh else _converge(flags, start, specs)
        except OSError as error:
            why = _("the service cannot be started: {why}").format(why=error)
            raise RunError(why, where=str(state.root)) from error
        if fresh and not detach:
            return _follow(flags, start, status)
        _welcome(flags, start, status)
    return 0


@click.command(help=_("Stop the service in order, and see that nothing is left running."))
@common("config", "env", "timeout")
def down(flags: Flags) -> int:
    """Edge, workers, engines, admin; then whatever still carries the mark of this state directory."""
    state = state_dir(flags)
    _refuse_mistyped(flags, state)
    stopped = _bring_down(flags, state) if state.root.is_dir() else ()
    flags.say(_("stopped: nothing is left running") if stopped else _("nothing runs"))
    return 0


@click.command(help=_("Show what runs and how it is; exit 1 where the service does not run."))
@common("config", "env", "output")
def status(flags: Flags) -> int:
    """The controller's last view, corrected by what really lives."""
    state = state_dir(flags)
    seen = read_status(state.status) if state.root.is_dir() else None
    if seen is None:
        if flags.output != "table":
            flags.answer(_NOTHING_RUNS)
        flags.say(_("nothing runs: start it with `forebay up`"))
        return 1
    seen = _corrected(seen, state)
    flags.answer(seen, lambda: _table(seen))
    return 0


_NOTHING_RUNS: dict[str, Any] = {
    "state": "stopped",
    "reasons": [],
    "edge": {"url": ""},
    "gateway": {"url": "", "admin_url": "", "workers": []},
    "console_url": None,
    "engines": [],
}


def _start(flags: Flags, start: Start, specs: tuple[EngineSpec, ...], *, alone: bool) -> Status:
    """The first release of a service that starts; `alone`: nothing ran before, so a failure may end all there is."""
    _ensure_dev_key(start)
    flags.say(_("starting {service}").format(service=start.config.service))
    release = releasing.record(flags, releasing.built(flags).files)
    releasing.refuse_unapproved(flags, start.config, release, None)
    limit_s = max((spec.start_s for spec in specs), default=0.0) + _READY_MARGIN_S
    try:
        releasing.first(start, release)
        status = await_ready(start.state, launch(start), flags.timeout_s or limit_s, flags.say)
    except (RunError, StateError, KeyboardInterrupt):
        if not alone:
            raise
        abandon(start.state, lambda _line: None)
        leave_store(flags, start.state, start.config.environment)
        start.state.running.unlink(missing_ok=True)
        flags.say(_("nothing is left running"))
        raise
    releasing.make_current(flags, start.config.environment, release)
    return status


def _converge(flags: Flags, start: Start, specs: tuple[EngineSpec, ...]) -> Status:
    """The file as a release in the place of the one that runs; without a change, what was given up is tried again."""
    running = releasing.running_now(start.state)
    if running.environment != start.config.environment:
        what = _("this service runs as {environment}").format(environment=running.environment)
        raise RunError(what, fix=_("Run `forebay down` first, or add --env {name}").format(name=running.environment))
    flags.say(_("converging"))
    refuse_second(running)
    _ensure_dev_key(start)  # what lives may have lost it with the rest of its state directory
    release = releasing.record(flags, releasing.built(flags).files)
    limit_s = flags.timeout_s or releasing.patience_s(specs)
    if release.digest == running.release.digest:
        return await_ready(start.state, launch(start), limit_s, flags.say)
    releasing.refuse_unapproved(flags, start.config, release, read_config(running.release.config))
    asked = releasing.Asked(kind="up", within_s=limit_s)
    outcome = releasing.change(start, running, release, asked, flags.say)
    return releasing.settled(start.state, outcome)


def _ensure_dev_key(start: Start) -> None:
    if start.config.environment == "development":
        ensure_dev_key(start.state, start.config.store, start.config_path.resolve().parent)


def _welcome(flags: Flags, start: Start, status: Status) -> None:
    if flags.output != "table":
        flags.answer(status)
        return
    if status.state == "standby":
        flags.say(_("stands by: {reasons}").format(reasons="; ".join(status.shown)))
        return
    flags.say(_("ready: {url}").format(url=status.edge.url))
    if start.config.environment == "development":
        flags.say(_("try it:"))
        flags.answer(None, lambda: curl_line(start.config, start.state, status))


def _follow(flags: Flags, start: Start, status: Status) -> int:
    """Tell what changes until Ctrl-C or SIGTERM; then stop everything."""
    state = start.state
    try:
        _welcome(flags, start, status)
        flags.say(_("Ctrl-C stops it"))
        told: dict[str, str] = {}
        tell_changes(status, told, lambda _line: None)
        while controller_record(state) is not None:
            time.sleep(_FOLLOW_S)
            seen = read_status(state.status)
            if seen is not None:
                tell_changes(seen, told, flags.say)
        flags.say(_("the service was stopped from elsewhere"))
    except KeyboardInterrupt:
        _bring_down(flags, state)
        flags.say(_("stopped: nothing is left running"))
    return 0


def _refuse_mistyped(flags: Flags, state: StateDir) -> None:
    """UsageError where no such file is here, and what runs was started with one of another name.

    One that is gone or broken names its service as before. By name, not by path: the folder may have been moved.
    """
    ran = None if flags.config.exists() else file_that_runs(state)
    if ran is None or ran.name == flags.config.resolve().name:
        return
    raise UsageError(
        _("there is no such file, and what runs here was started with {file}").format(file=ran.name),
        where=str(flags.config),
        fix=_("To stop that: forebay down -c {path}").format(path=flags.config.with_name(ran.name)),
        code="another_file",
    )


def _bring_down(flags: Flags, state: StateDir) -> tuple[str, ...]:
    """Everything, and tell other machines; the names of what ran. RunError where something is left."""
    environment = environment_of(flags, state)  # what runs tells it, as long as it runs
    with sole(state):
        stopped = bring_down(state, flags.say, timeout_s=flags.timeout_s)
    left = LocalSubstrate(state).strays()
    if left:
        pids = ", ".join(f"{unit} (pid {pid})" for pid, unit in left.items())
        raise RunError(_("these processes are still there: {pids}").format(pids=pids))
    leave_store(flags, state, environment)
    return stopped


class _interrupted_by_sigterm:  # noqa: N801  reads as a statement
    """SIGTERM is Ctrl-C here: whoever asks us to end gets the same orderly end."""

    def __enter__(self) -> None:
        def interrupt(_number: int, _frame: object) -> None:
            raise KeyboardInterrupt

        self._before: Callable[[int, Any], Any] | int | None = signal.signal(signal.SIGTERM, interrupt)

    def __exit__(self, *_reason: object) -> None:
        signal.signal(signal.SIGTERM, self._before)


def _corrected(seen: Status, state: StateDir) -> Status:
    """A status whose controller is gone is old: say so, and which of its processes still live."""
    if controller_record(state) is not None and start_ticks(seen.controller.pid) is not None:
        return seen
    gone = because("controller_gone")
    reasons, causes = (str(gone), *seen.reasons), (gone, *seen.causes)
    return msgspec.structs.replace(seen, state="degraded", reasons=reasons, causes=causes)


def _table(seen: Status) -> str:
    rows = [_row(unit) for unit in seen.units]
    head = [_("name"), _("state"), _("pid"), _("restarts"), _("url"), _("reason")]
    lines = [_("{state}: {url}").format(state=_painted(seen.state), url=seen.edge.url)]
    if seen.release is not None:
        lines.append(_("release: {name}").format(name=seen.release.name))
        if seen.release.change:
            lines.append(_("in its place: {name}").format(name=seen.release.change))
        lines += [_("drift: {what}").format(what=what) for what in seen.release.drift]
        if seen.release.rollout is not None:
            lines += rollout_lines(seen.release.rollout)
    lines += ["", columns(head, rows)]
    lines += ["", *_leadership(seen)]
    lines += [f"! {cause.shown}" for cause in seen.causes if cause.code != "unit"]  # those are in the rows
    return "\n".join([*lines, *(f"! {finding}" for finding in seen.controller.findings)])


def _leadership(seen: Status) -> list[str]:
    controller = seen.controller
    told = [_("leader: {leader} (lease {number})").format(leader=controller.leader or "-", number=controller.lease)]
    told += [_("stands by: {name} (pid {pid})").format(name=each.name, pid=each.pid) for each in controller.standbys]
    return told


def _row(unit: UnitStatus) -> list[object]:
    return [unit.name, _painted(unit.state), unit.pid or "-", unit.restarts, unit.url, unit.said.shown]


def _painted(state: str) -> str:
    return paint(state_word(state), _COLOURS.get(state, "yellow"))
