"""`python -m forebay.engines.holder SPEC RECORD`: owns one program, its process group and its log.

It outlives the controller, and it takes the program and everything the program started with it when it dies, SIGKILL
included. One thread, so that forking stays safe; a `select` loop over the program's output and the signals.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from subprocess import Popen

import msgspec

from forebay.core.backoff import exponential
from forebay.core.proc import Identity, end_group, identify
from forebay.engines import program as programs
from forebay.engines.log_file import LogFile
from forebay.engines.log_lines import Lines, Wrapper
from forebay.engines.record import UnitRecord, describe_exit, read_spec, write_record
from forebay.engines.spec import UnitSpec
from forebay.engines.watcher import Watcher

_STEADY_S = 60.0
_REST_S = 5.0
_PIECE_BYTES = 256 * 1024
_FORWARDED = {signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH}


def main(argv: list[str]) -> int:
    """Hold the unit until its program has ended; returns the program's exit status as a shell would."""
    spec_path, record_path = Path(argv[0]).resolve(), Path(argv[1]).resolve()
    spec = read_spec(spec_path)
    if spec is None:
        print(f"forebay: no unit at {spec_path}", file=sys.stderr)  # noqa: T201  nobody listens yet but this stream
        return 64
    leash = _leash(spec)
    if leash is None:
        return 0
    os.umask(0o077)
    os.chdir(record_path.parent.parent)  # what wipes its environment is still found by where it works
    programs.raise_file_limit()
    programs.adopt_orphans()
    holder = Holder(spec, record_path, leash)
    try:
        status = holder.run()
    except Exception:  # the outermost edge: the reason goes to the unit's own log
        holder.note("error", "the holder failed", detail=traceback.format_exc())
        raise
    return 128 - status if status < 0 else status


class Holder:
    """One unit, from its first start to its last end."""

    def __init__(self, spec: UnitSpec, record_path: Path, leash: int) -> None:
        self._spec = spec
        self._record_path = record_path
        self._leash = leash
        self._log = LogFile(Path(spec.log), spec.log_rotate_bytes, spec.log_keep, spec.log_span_s)
        self._wrapper = Wrapper(spec.name, spec.service, spec.version)
        self._unit_mark, self._holder_mark = programs.marks(record_path, spec.name)
        self._watcher = Watcher(self._holder_mark)
        self._signals = _catch_signals()
        self._program: Popen[bytes] | None = None
        self._output = -1
        self._lines = Lines()
        self._stop_by: float | None = None
        me = identify(os.getpid())
        self._me = me or Identity(os.getpid(), 0, "")
        self._record = UnitRecord(
            name=spec.name, digest=spec.digest, port=spec.port, holder=self._me, started_at=time.time(), starts=0
        )

    def run(self) -> int:
        """Start, hold, and start again if the spec says so."""
        self._watcher.start()
        status = self._lives()
        self._watcher.dismiss()
        return status

    def note(self, level: str, message: str, **more: object) -> None:
        """A line of the holder's own in the unit's log."""
        self._log.write(self._wrapper.line(level, message, part="holder", **more))

    def _lives(self) -> int:
        waits_s = exponential(0.5, 30.0)
        while True:
            began_s = time.monotonic()
            status = self._one_life()
            if self._stop_by is not None or not self._spec.restart:
                return status
            if time.monotonic() - began_s > _STEADY_S:
                waits_s = exponential(0.5, 30.0)
            if self._wait_before_restart(next(waits_s)):
                return status

    def _one_life(self) -> int:
        try:
            self._program, self._output = programs.start(self._spec, self._unit_mark, self._holder_mark)
        except OSError as error:
            self.note("error", f"cannot start {self._spec.argv[0]}: {error}")
            self._write(program=None, ended_at=time.time(), exit_status=127, error=str(error))
            return 127
        self._watcher.guard(self._program.pid)
        self._lines = Lines()
        self._write(
            program=identify(self._program.pid) or Identity(self._program.pid, 0, self._me.boot),
            started_at=time.time(),
            starts=self._record.starts + 1,
            ended_at=None,
            exit_status=None,
        )
        while self._program.returncode is None:
            self._turn()
        return self._bury(self._program)

    def _turn(self) -> None:
        """Wait for output, a signal or the end of the grace, and answer it."""
        assert self._program is not None  # noqa: S101  only called while one runs
        wait_s = None if self._stop_by is None else max(0.0, self._stop_by - time.monotonic())
        watched = [each for each in (self._signals, self._output, self._leash) if each >= 0]
        ready, _, _ = select.select(watched, [], [], wait_s)
        if self._output in ready:
            self._pump()
        if self._signals in ready:
            self._answer_signals()
        if self._leash in ready:
            self._end_with_leash()
        if self._stop_by is not None and time.monotonic() >= self._stop_by and self._program.returncode is None:
            self.note("warning", f"did not stop within {self._spec.stop_s:g} s and is killed")
            end_group(self._program.pid)
            self._program.wait()

    def _answer_signals(self) -> None:
        for number in os.read(self._signals, 4096):
            if number == signal.SIGCHLD:
                self._reap()
            elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                self._stop()
            elif self._program is not None and self._program.returncode is None:
                self._program.send_signal(number)

    def _stop(self) -> None:
        """The program alone is asked: a server that drains must not see its own children go first."""
        if self._stop_by is None:
            self._stop_by = time.monotonic() + self._spec.stop_s
        if self._program is not None and self._program.returncode is None:
            self._program.send_signal(self._spec.stop_signal)

    def _end_with_leash(self) -> None:
        """A descriptor of a process can be read from once it has ended, and always thereafter."""
        os.close(self._leash)
        self._leash = -1
        self.note("warning", "whoever started this has ended")
        self._stop()

    def _reap(self) -> None:
        if self._program is not None:
            self._program.poll()
        with contextlib.suppress(ChildProcessError):
            while (done := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if self._program is not None and done.si_pid == self._program.pid:
                    self._program.poll()
                    continue
                os.waitpid(done.si_pid, os.WNOHANG)
                if done.si_pid == self._watcher.pid:
                    self._watcher.start()
                    self._watcher.guard(self._program.pid if self._program else 0)

    def _bury(self, program: Popen[bytes]) -> int:
        """End what is left of the program, keep its last words, and record how it ended."""
        status = program.returncode
        if self._stop_by is not None and end_group(program.pid, signal.SIGTERM):
            rest_by = min(self._stop_by, time.monotonic() + _REST_S)
            while time.monotonic() < rest_by and end_group(program.pid, 0):
                self._pump()
                self._reap()
                time.sleep(0.02)
        programs.end_rest(program, self._holder_mark)
        self._watcher.guard(0)
        while self._pump():
            pass
        self._keep(self._lines.close())
        if self._output >= 0:
            os.close(self._output)
            self._output = -1
        self._reap()
        level = "info" if self._stop_by is not None or status == 0 else "error"
        self.note(level, f"ended with {describe_exit(status)}", exit_status=status)
        self._write(ended_at=time.time(), exit_status=status)
        self._program = None
        return status

    def _pump(self) -> bool:
        """Take what the program wrote; False where there is nothing more now."""
        if self._output < 0:
            return False
        try:
            piece = os.read(self._output, _PIECE_BYTES)
        except BlockingIOError:
            return False
        if not piece:
            os.close(self._output)
            self._output = -1
            return False
        self._keep(self._lines.feed(piece))
        return True

    def _keep(self, lines: list[bytes]) -> None:
        if not lines:
            return
        if self._log.dropped:
            dropped, self._log.dropped = self._log.dropped, 0
            self.note("warning", "log lines were lost: the disk took no more", writes_lost=dropped)
            if self._log.dropped:  # still full: do not forget how much
                self._log.dropped += dropped
        if self._spec.json_log:
            self._log.write(b"".join(map(self._wrapper.wrap, lines)))
        else:
            self._log.write(b"\n".join(lines) + b"\n")

    def _write(self, **changes: object) -> None:
        """Update the record; a disk that takes nothing more must not end the program."""
        self._record = msgspec.structs.replace(self._record, **changes)
        try:
            write_record(self._record_path, self._record)
        except OSError as error:
            self.note("error", f"the unit's record cannot be written: {error}")

    def _wait_before_restart(self, wait_s: float) -> bool:
        """Wait; True where a signal asked to stop meanwhile."""
        self.note("warning", f"starts again in {wait_s:g} s")
        until = time.monotonic() + wait_s
        while self._stop_by is None and (left_s := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self._signals], [], [], left_s)
            if ready:
                self._answer_signals()
        return self._stop_by is not None


def _leash(spec: UnitSpec) -> int | None:
    """A descriptor of the process that the unit ends with, -1 where there is none; None where it has ended already."""
    if spec.leash is None:
        return -1
    try:
        leash = os.pidfd_open(spec.leash)
    except ProcessLookupError:
        return None
    return leash if os.getppid() == spec.leash else None  # else the number is another process's by now


def _catch_signals() -> int:
    """A descriptor that yields the number of each signal as a byte."""
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in _caught():
        signal.signal(number, lambda *_: None)  # a handler, not SIG_IGN: programs would inherit being deaf
    return reading


def _caught() -> Iterator[signal.Signals]:
    yield from (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
    yield from _FORWARDED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
