"""Starts the generator's processes, gives each its share, and gathers what they saw."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, TypeVar, cast

import forebay
from forebay.core.errors import ForebayError, RunError
from forebay.messages import _
from forebay.tune.load import frames

F = TypeVar("F")
_START_S = 60.0
_HEAD_START_S = 0.2


class Crew:
    """Processes that play one load together. Leaving the context ends them, whatever they do."""

    def __init__(self, jobs: Sequence[frames.Job]) -> None:
        self._jobs = jobs
        self._programs: list[subprocess.Popen[bytes]] = []
        self._counted: set[int] = set()
        self._inbox: queue.SimpleQueue[tuple[int, frames.Frame | None]] = queue.SimpleQueue()

    def __enter__(self) -> Crew:
        for number, job in enumerate(self._jobs):
            program = subprocess.Popen(
                [sys.executable, "-m", "forebay.tune.load.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(),
                process_group=0,  # Ctrl-C is for whoever started them, who ends them
            )
            self._programs.append(program)
            reading = (number, cast(BinaryIO, program.stdout))
            threading.Thread(target=self._read, args=reading, daemon=True).start()
            self._tell(number, job)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for program in self._programs:
            program.kill()
            program.wait()
            for pipe in (program.stdin, program.stdout):
                if pipe is not None:
                    pipe.close()

    def begin(self) -> float:
        """Let all begin at the same moment of the monotonic clock, which is returned."""
        self._gather(frames.Ready, time.monotonic() + _START_S)
        at = time.monotonic() + _HEAD_START_S
        for number in range(len(self._programs)):
            self._tell(number, frames.Begin(at))
        return at

    def played(self, deadline: float, progress: Callable[[frames.Progress], None]) -> list[frames.Played]:
        """Wait until every process has played its share, or one gave up; tells how far they are together."""
        latest: dict[int, frames.Progress] = {}

        def tell(number: int, frame: frames.Progress) -> None:
            latest[number] = frame
            known = latest.values()
            progress(
                frames.Progress(
                    sent=sum(each.sent for each in known),
                    ended=sum(each.ended for each in known),
                    failed=sum(each.failed for each in known),
                    tokens=sum(each.tokens for each in known),
                )
            )

        return self._gather(frames.Played, deadline, tell)

    def within(self, window: frames.Window) -> list[frames.Within]:
        """What each process saw in the steady part."""
        for number in range(len(self._programs)):
            self._tell(number, window)
        return self._gather(frames.Within, time.monotonic() + _START_S)

    def _gather(
        self, kind: type[F], deadline: float, tell: Callable[[int, frames.Progress], None] | None = None
    ) -> list[F]:
        found: dict[int, F] = {}
        while len(found) < len(self._programs):
            try:
                number, frame = self._inbox.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise RunError(_("the load generator does not end; it was stopped")) from None
            if isinstance(frame, frames.Progress):
                if tell is not None:
                    tell(number, frame)
            elif isinstance(frame, frames.Counted):
                self._hear(number)
            elif isinstance(frame, kind):
                found[number] = frame
                if isinstance(frame, frames.Played) and frame.is_hopeless:
                    break
            elif isinstance(frame, frames.Broken):
                raise ForebayError(frame.what, where=frame.where, fix=frame.fix)
            elif frame is None and number not in found:
                raise RunError(_("a process of the load generator ended by itself"), where=f"worker {number}")
        return [found[number] for number in sorted(found)]

    def _hear(self, number: int) -> None:
        """Let all end once each has what counts: the last answers would be quicker if the first had stopped to ask."""
        self._counted.add(number)
        if len(self._counted) == len(self._programs):
            for each in range(len(self._programs)):
                self._tell(each, frames.Enough())

    def _read(self, number: int, pipe: BinaryIO) -> None:
        try:
            while (frame := frames.read(pipe)) is not None:
                self._inbox.put((number, frame))
        except (OSError, ValueError):  # closed under our hands: the run is over
            pass
        self._inbox.put((number, None))

    def _tell(self, number: int, frame: frames.Frame) -> None:
        pipe = self._programs[number].stdin
        try:
            if pipe is not None:
                frames.write(cast(BinaryIO, pipe), frame)
        except BrokenPipeError as error:
            raise RunError(_("a process of the load generator ended by itself"), where=f"worker {number}") from error


def _environment() -> dict[str, str]:
    """Ours, so that the processes find this very package wherever it lies."""
    here = str(Path(forebay.__file__).parents[1])
    before = os.environ.get("PYTHONPATH", "")
    return {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{before}" if before else here}
