"""Units as processes of this machine, each under a holder of its own that outlives whoever started it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from forebay.core.errors import RunError, StateError
from forebay.core.proc import below, marked, send, session_of, untitled
from forebay.engines.log_tail import tail
from forebay.engines.program import inherited
from forebay.engines.record import UNIT_MARK, UnitRecord, describe_exit, read_record, write_spec
from forebay.engines.spec import UnitSpec
from forebay.messages.reasons import Reason, because
from forebay.store.state_dir import StateDir
from forebay.substrate.base import is_controller

_HOLDER_START_S = 15.0
_POLL_S = 0.02
_HOLDER_EXIT_S = 10.0
_WORDS_BYTES = 4096
# What a program may see of the operator's environment: where programs, homes and libraries lie, and no secret.
_PASSED = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE",
    "LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "VIRTUAL_ENV", "PYTHONPATH",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "XDG_CACHE_HOME", "HF_HOME", "MODELSCOPE_CACHE", "FOREBAY_STATE",
)  # fmt: skip


def minimal_environment() -> dict[str, str]:
    """The part of our environment that every unit gets."""
    return {name: os.environ[name] for name in _PASSED if name in os.environ}


class LocalSubstrate:
    """Units below one state directory."""

    def __init__(self, state: StateDir) -> None:
        self._state = state
        self._holders: dict[str, int] = {}

    def start(self, spec: UnitSpec) -> UnitRecord:
        """Start `spec` detached, under a holder; RunError where it already runs or its holder does not come up."""
        known = self.find(spec.name)
        if known is not None and known.holder.alive:
            raise RunError(f"{spec.name} already runs", where=f"pid {known.holder.pid}")
        if known is None:
            # Nobody knows of it, and yet it may run: a state directory that was removed under a service takes the
            # record along, and a second engine beside the first, and a third, would fill the machine.
            self.kill(spec.name)
        path = self._state.run / f"{spec.name}.spec"
        record = self._state.unit(spec.name)
        record.unlink(missing_ok=True)
        write_spec(path, spec)
        argv = (sys.executable, "-m", "forebay.engines.holder", str(path), str(record))
        environment = {**minimal_environment(), **inherited(spec), UNIT_MARK: self._mark(spec.name)}
        said = os.memfd_create("said")
        try:
            # Not subprocess: the holder is to outlive us, and a Popen that is dropped while it runs is a warning.
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, said, 2),
            ]
            holder = os.posix_spawn(sys.executable, argv, environment, file_actions=actions, setsid=True)
            self._holders[spec.name] = holder
            return self._await_record(spec.name, holder, said)
        finally:
            os.close(said)

    def observe(self) -> dict[str, UnitRecord]:
        """Units by name. A unit whose holder died without a word has ended: its holder took it along."""
        self._reap()
        found = {}
        for path in sorted(self._state.run.glob("*.json")):
            if path == self._state.status or path.name.startswith("."):
                continue
            try:
                record = read_record(path)
            except StateError:  # damaged: the unit's processes are found by their mark, not by this
                continue
            if record is not None:
                found[record.name] = record
        return found

    def find(self, name: str) -> UnitRecord | None:
        self._reap()
        try:
            return read_record(self._state.unit(name))
        except StateError:
            return None

    def signal(self, name: str, number: int) -> bool:
        record = self._living(name)
        if record is None:
            return False
        send([record.holder.pid], number)
        return True

    def stop(self, names: Sequence[str], within_s: float) -> tuple[str, ...]:
        """SIGTERM to the holders, which ask their programs and kill them after `stop_s`; SIGKILL after `within_s`."""
        waiting = {name: record for name in names if (record := self._living(name)) is not None}
        send([record.holder.pid for record in waiting.values()], signal.SIGTERM)
        late = self._wait_gone(waiting, within_s)
        for name in late:
            self.kill(name)
        return tuple(sorted(late))

    def kill(self, name: str) -> None:
        """SIGKILL the holder: its watcher and the kernel end the rest."""
        record = self._living(name)
        if record is not None:
            send([record.holder.pid], signal.SIGKILL)
            self._wait_gone({name: record}, _HOLDER_EXIT_S)
        deadline = time.monotonic() + _HOLDER_EXIT_S
        while (left := self._pids_of(name)) and time.monotonic() < deadline:
            send(left, signal.SIGKILL)
            time.sleep(_POLL_S)

    def delete(self, name: str) -> None:
        self._state.unit(name).unlink(missing_ok=True)
        (self._state.run / f"{name}.spec").unlink(missing_ok=True)

    def processes(self) -> dict[int, str]:
        """Every living process of a unit, its holder included: pid to unit."""
        prefix = self._mark("")
        found = marked(UNIT_MARK, lambda value: value.startswith(prefix))
        units = {pid: value.removeprefix(prefix) for pid, value in found.items() if pid != os.getpid()}
        leaders = {record.program.pid: name for name, record in self.observe().items() if record.program}
        # What a unit starts is its own without a mark too, wherever the state directory has been moved to since.
        started = {pid: units[ancestor] for pid, ancestor in below(units.keys(), known=(os.getpid(),)).items()}
        for pid in untitled(self._state.root.resolve()):
            unit = started.get(pid, "edge")
            # An orphan is handed to the controller's holder, and is the edge's all the same.
            started[pid] = leaders.get(session_of(pid), "edge" if is_controller(unit) else unit)
        return units | started

    def strays(self) -> dict[int, str]:
        """Processes of units that have no living holder."""
        owned = {name for name, record in self.observe().items() if record.holder.alive}
        return {pid: unit for pid, unit in self.processes().items() if unit not in owned}

    def end_strays(self, *, controllers: bool = True) -> tuple[str, ...]:
        ended: set[str] = set()
        deadline = time.monotonic() + _HOLDER_EXIT_S
        while strays := {pid: name for pid, name in self.strays().items() if controllers or not is_controller(name)}:
            ended.update(strays.values())
            send(strays, signal.SIGKILL)
            if time.monotonic() > deadline:
                raise RunError("processes do not end", where=", ".join(f"pid {pid}" for pid in strays))
            time.sleep(_POLL_S)
        return tuple(sorted(ended))

    def _await_record(self, name: str, holder: int, said: int) -> UnitRecord:
        deadline = time.monotonic() + _HOLDER_START_S
        while time.monotonic() < deadline:
            record = read_record(self._state.unit(name))
            if record is not None and record.holder.pid == holder:
                return record
            if _has_ended(holder):
                break
            time.sleep(_POLL_S)
        send([holder], signal.SIGKILL)
        words = os.pread(said, _WORDS_BYTES, 0).decode("utf-8", "replace")
        raise RunError(f"the holder of {name} did not start", detail=words)

    def _living(self, name: str) -> UnitRecord | None:
        record = self.find(name)
        return record if record is not None and record.holder.alive else None

    def _wait_gone(self, records: dict[str, UnitRecord], within_s: float) -> set[str]:
        deadline = time.monotonic() + within_s
        waiting = set(records)
        while waiting and time.monotonic() < deadline:
            self._reap()
            waiting = {name for name in waiting if records[name].holder.alive}
            if waiting:
                time.sleep(_POLL_S)
        return waiting

    def _pids_of(self, name: str) -> Iterable[int]:
        return [pid for pid, unit in self.processes().items() if unit == name]

    def _reap(self) -> None:
        """Holders that we started ourselves are our children until they are waited for."""
        for name, holder in list(self._holders.items()):
            if _has_ended(holder):
                self._holders.pop(name, None)

    def _mark(self, name: str) -> str:
        return f"{self._state.root.resolve()}:{name}"


def _has_ended(child: int) -> bool:
    try:
        return os.waitpid(child, os.WNOHANG)[0] == child
    except ChildProcessError:  # waited for already, by another thread perhaps
        return True


def is_running(record: UnitRecord) -> bool:
    """Whether the unit's program lives under its holder."""
    return record.holder.alive and record.ended_at is None


def why_ended(record: UnitRecord, log: Path, lines: int = 3) -> Reason:
    """How the unit ended and what it said last, in one line for a person."""
    if record.error:
        how = because("said", text=record.error)
    elif record.exit_status is None:
        how = because("holder_killed")
    elif record.exit_status >= 0:
        how = because("exit_status", status=record.exit_status)
    else:
        how = because("exit_signal", signal=describe_exit(record.exit_status))
    last = " | ".join(tail(log, lines))
    return because("last_lines", how=how, lines=last) if last else how
