"""Starts, watches and stops the whole service, for `up`, `down` and `status`."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from forebay.cli.states import state_word
from forebay.config.schema import Config
from forebay.controller.desired import controller_units
from forebay.controller.lease.local import read_leader
from forebay.controller.status import Status, read_status
from forebay.core.errors import RunError, StateError
from forebay.engines.record import UnitRecord, read_spec
from forebay.engines.spec import UnitSpec
from forebay.messages import _, ngettext
from forebay.release.history import author
from forebay.store.state_dir import StateDir
from forebay.substrate.base import CONTROLLER, is_controller
from forebay.substrate.local import LocalSubstrate, is_running, why_ended

Say = Callable[[str], None]
_POLL_S = 0.1
_STOP_MARGIN_S = 15.0
_CONTROLLER_STARTS = 3
_CONTROLLER_SHORT_S = 10.0
_HASTE_S = 5.0
_STAGES = (CONTROLLER, "edge", "workers", "engines", "last")


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What `up` is to bring about."""

    config: Config
    config_path: Path
    environment: str | None
    state: StateDir


@contextlib.contextmanager
def sole(state: StateDir) -> Iterator[None]:
    """Only one command changes what runs; RunError where another is at it."""
    descriptor = os.open(state.root / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 500, 0).decode("utf-8", "replace") or "?"
            raise RunError(
                _("another forebay command changes what runs now: {holder}").format(holder=holder),
                where=str(state.root),
                fix=_("Wait for it to end"),
            ) from None
        # At once: to ask git who this is takes a while, in which the next one would be told nothing.
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}".encode(), 0)
        os.pwrite(descriptor, f"{author(state.root.parent)}, pid {os.getpid()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def controller_record(state: StateDir) -> UnitRecord | None:
    """The record of a controller, while its holder lives; of the first where there are several."""
    return next(iter(_controllers(state).values()), None)


def launch(start: Start) -> float:
    """Start the controllers, or tell the one that leads to read the configuration; returns when that was asked."""
    substrate = LocalSubstrate(start.state)
    units = {unit.name: unit for unit in controller_units(start.config_path, start.config, start.state)}
    running = _controllers(start.state)
    asked_at = time.time()
    stay = {name for name, record in running.items() if name in units and record.digest == units[name].digest}
    go = sorted(running.keys() - stay)
    substrate.stop(go, units[CONTROLLER].stop_s + _STOP_MARGIN_S)
    for name in go:
        substrate.delete(name)
    leader = read_leader(start.state.leader)
    # Nobody else is told: one that leads later reads the configuration then.
    if leader is not None and leader.me.alive and leader.unit in stay:
        substrate.signal(leader.unit, signal.SIGHUP)
    for unit in units.values():
        if unit.name not in stay:
            substrate.start(unit)
    return asked_at


def await_ready(state: StateDir, asked_at: float, timeout_s: float, say: Say) -> Status:
    """Wait until every unit is ready, telling each change; RunError says what is not and why."""
    deadline = time.monotonic() + timeout_s
    told: dict[str, str] = {}
    status: Status | None = None
    while time.monotonic() < deadline:
        _check_controller(state)
        status = read_status(state.status)
        if status is not None and status.controller.read_at >= asked_at:
            if status.controller.findings:
                raise RunError(
                    "\n".join([_("the running service refuses the configuration:"), *status.controller.findings])
                )
            tell_changes(status, told, say)
            # One that stands by is no answer before it knows for whom: it may be about to lead.
            if status.state == "ready" or (status.state == "standby" and status.controller.leader):
                return status
            if status.state == "failed":
                raise RunError("\n".join([_("the service does not start:"), *status.shown]))
        time.sleep(_POLL_S)
    reasons = status.shown if status is not None else ()
    raise RunError("\n".join([_("the service is not ready after {n:g} s:").format(n=timeout_s), *reasons]))


def tell_changes(status: Status, told: dict[str, str], say: Say) -> None:
    """One line for each unit, or source of engines, that is otherwise than `told`, which is brought up to date."""
    for unit in status.units:
        if told.get(unit.name) != unit.state:
            told[unit.name] = unit.state
            say(f"  {unit.name}: {state_word(unit.state)}" + (f" ({unit.said.shown})" if unit.state != "ready" else ""))
    for source in status.discovery:
        if told.get(source.name, "") != source.trouble:
            told[source.name] = source.trouble
            found = ngettext("found {count} engine", "found {count} engines", source.engines)
            say(f"  {source.name}: " + (source.trouble or found.format(count=source.engines)))


def bring_down(state: StateDir, say: Say, *, timeout_s: float | None = None) -> tuple[str, ...]:
    """Stop every unit in order and see that nothing is left; returns the names that ran.

    The controller goes first, because it would start again what is stopped; the data plane does not need it. Then the
    edge takes no more clients, the workers finish their calls, the engines are idle, and the counters are read last.
    """
    substrate = LocalSubstrate(state)
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    stopped = []
    # Looked for again before each stage: the controller may have started a unit while it was being stopped.
    for stage in _STAGES:
        names = [name for name, record in substrate.observe().items() if record.holder.alive and _stage(name) == stage]
        if not names:
            continue
        stopped.extend(names)
        say(_("stopping {names}").format(names=", ".join(names)))
        late = substrate.stop(names, _stage_s(state, names, deadline))
        if late:
            say(_("killed, because the time was over: {names}").format(names=", ".join(late)))
    strays = substrate.end_strays()
    if strays:
        say(_("ended what had no holder: {names}").format(names=", ".join(strays)))
    for name in substrate.observe():
        substrate.delete(name)
    for trace in (state.status, *state.run.glob("*.ack"), *state.run.glob("*.standby")):
        trace.unlink(missing_ok=True)
    return tuple(sorted({*stopped, *strays}))


def file_that_runs(state: StateDir) -> Path | None:
    """The file of what runs here, as it was named when it was started; None where nothing runs, or nothing tells."""
    spec = _spec(state, CONTROLLER)
    if spec is None or "--config" not in spec.argv or not LocalSubstrate(state).processes():
        return None
    return Path(spec.argv[spec.argv.index("--config") + 1])


def abandon(state: StateDir, say: Say) -> None:
    """Bring down a start that failed: nobody's calls are in it, so nothing is waited for."""
    bring_down(state, say, timeout_s=_HASTE_S)


def _check_controller(state: StateDir) -> None:
    """RunError where the controller has gone, or ends again and again as soon as it is started."""
    record = LocalSubstrate(state).find(CONTROLLER)
    if record is not None and record.holder.alive:
        lived_s = (record.ended_at or time.time()) - record.started_at
        if is_running(record) or record.starts < _CONTROLLER_STARTS or lived_s > _CONTROLLER_SHORT_S:
            return
    why = _("it was stopped") if record is None else why_ended(record, state.log(CONTROLLER)).shown
    raise RunError(_("the controller does not run: {why}").format(why=why), where=str(state.log(CONTROLLER)))


def _controllers(state: StateDir) -> dict[str, UnitRecord]:
    found = LocalSubstrate(state).observe()
    return {name: record for name, record in found.items() if is_controller(name) and record.holder.alive}


def _stage(name: str) -> str:
    if is_controller(name):
        return CONTROLLER
    if name == "edge":
        return name
    if name in {"admin", "audit", "valkey", "embedder", "watch"}:
        return "last"
    return "workers" if name.startswith("worker-") else "engines"


def _stage_s(state: StateDir, names: Sequence[str], deadline: float | None) -> float:
    specs = [_spec(state, name) for name in names]
    own_s = max((spec.stop_s for spec in specs if spec is not None), default=30.0) + _STOP_MARGIN_S
    return own_s if deadline is None else max(0.0, min(own_s, deadline - time.monotonic()))


def _spec(state: StateDir, name: str) -> UnitSpec | None:
    """What a unit was asked to be; None where its file is lost or damaged: it must be stopped all the same."""
    try:
        return read_spec(state.run / f"{name}.spec")
    except StateError:
        return None
