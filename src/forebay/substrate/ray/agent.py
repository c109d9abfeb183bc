"""`python -m forebay.substrate.ray.agent REMOTE PLACE`: stands here for an engine that is somewhere in the cluster.

It ends when the engine has ended, so that the controller decides what comes next, as for an engine of this machine.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from forebay.core.backoff import exponential
from forebay.messages.reasons import because
from forebay.substrate.agents import AGENT_ENDED, hear_stop
from forebay.substrate.place import Place, write_place
from forebay.substrate.ray.driver_line import Told
from forebay.substrate.ray.placement import read_remote

_TURN_S = 0.5
_STOP_MARGIN_S = 20.0
_PIECE_BYTES = 256 * 1024
_LONGEST_WAIT_S = 10.0
_STEADY_S = 30.0


class Agent:
    """One engine's agent: a driver that comes again, and a loop over what it tells and the signals."""

    def __init__(self, remote: Path, place: Path) -> None:
        self._remote_path, self._place_path = remote, place
        self._remote = read_remote(remote)
        self._driver: subprocess.Popen[bytes] | None = None
        self._told = -1
        self._rest = b""
        self._began_s = 0.0
        self._next_s = 0.0
        self._waits_s = exponential(0.5, _LONGEST_WAIT_S)
        self._stop_by: float | None = None
        self._ended = ""

    def run(self) -> int:
        """Until the engine has ended or is stopped."""
        signals = _signals()
        while not self._ended:
            now = time.monotonic()
            if self._driver is None and now >= self._next_s and self._stop_by is None:
                self._start_driver(now)
            if self._stop_by is not None and (self._driver is None or now >= self._stop_by):
                break
            self._wait(signals)
        self._place_path.unlink(missing_ok=True)
        if self._driver is not None:
            self._driver.kill()
            self._driver.wait()
        if self._ended and self._stop_by is None:
            _say("error", f"the engine has ended: {self._ended}")
            return AGENT_ENDED
        return 0

    def _wait(self, signals: int) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(signals, selectors.EVENT_READ)
            if self._told >= 0:
                selector.register(self._told, selectors.EVENT_READ)
            for key, _events in selector.select(_TURN_S):
                if key.fd == signals:
                    os.read(signals, 4096)
                    self._ask_to_stop()
                else:
                    self._hear()

    def _start_driver(self, now: float) -> None:
        reading, writing = os.pipe()
        argv = (sys.executable, "-m", "forebay.substrate.ray.driver", str(self._remote_path), str(writing))
        self._driver = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, pass_fds=(writing,)
        )
        os.close(writing)
        os.set_blocking(reading, False)
        self._told, self._rest, self._began_s = reading, b"", now

    def _hear(self) -> None:
        try:
            piece = os.read(self._told, _PIECE_BYTES)
        except BlockingIOError:
            return
        if not piece:
            self._lose_driver()
            return
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            told = msgspec.json.decode(line, type=Told)
            if told.place is not None:
                write_place(self._place_path, told.place)
            if told.log:
                sys.stdout.write(told.log)
                sys.stdout.flush()
            if told.waits:
                why = because("no_node", needs=told.waits)
                _say("warning", str(why))
                write_place(self._place_path, Place("", 0, why=why))
            self._ended = self._ended or told.ended

    def _lose_driver(self) -> None:
        """The engine serves on: where it listens is known, and whether it answers others find out."""
        assert self._driver is not None  # noqa: S101  it wrote to us until now
        os.close(self._told)
        self._told = -1
        status = self._driver.wait()
        self._driver = None
        if self._stop_by is not None or self._ended:
            return
        now = time.monotonic()
        if now - self._began_s > _STEADY_S:
            self._waits_s = exponential(0.5, _LONGEST_WAIT_S)
        wait_s = next(self._waits_s)
        self._next_s = now + wait_s
        _say("warning", f"Ray is away (driver ended with {status}): tried again in {wait_s:g} s")

    def _ask_to_stop(self) -> None:
        if self._stop_by is not None:
            return
        stop_s = self._remote.engine.stop_s
        self._stop_by = time.monotonic() + stop_s + _STOP_MARGIN_S
        if self._driver is None:  # whoever stops an engine for good means it: one more try to reach it
            self._start_driver(time.monotonic())
        assert self._driver is not None  # noqa: S101  just started
        assert self._driver.stdin is not None  # noqa: S101  it has a pipe
        with contextlib.suppress(BrokenPipeError):
            self._driver.stdin.write(b"stop %g\n" % stop_s)
            self._driver.stdin.flush()


def _signals() -> int:
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    hear_stop()
    return reading


def _say(level: str, text: str) -> None:
    sys.stdout.write(f"{level}: {text}\n")
    sys.stdout.flush()


def main(argv: list[str]) -> int:
    return Agent(Path(argv[0]), Path(argv[1])).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
