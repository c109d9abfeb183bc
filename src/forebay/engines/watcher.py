"""The dead man's pipe: a forked watcher that ends a holder's processes when the holder can no longer do it itself."""

from __future__ import annotations

import os
import signal

from forebay.core.proc import end_group, end_marked
from forebay.engines.record import HOLDER_MARK


class Watcher:
    """Lives beside the holder and reads a pipe that only the holder writes; its end means that the holder died."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._pipe = -1
        self.pid = 0

    def start(self) -> None:
        """Fork; call while the holder has one thread."""
        if self._pipe >= 0:
            os.close(self._pipe)
        reading, self._pipe = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                os.close(self._pipe)
                _watch(reading, self._mark)
            finally:
                os._exit(0)  # never the holder's own clean-up in the child
        os.close(reading)

    def guard(self, group: int) -> None:
        """Name the process group to end; 0 where there is none any more."""
        try:
            os.write(self._pipe, b"%d\n" % group)
        except BrokenPipeError:  # the watcher was killed: SIGCHLD makes the holder start another one
            return

    def dismiss(self) -> None:
        """End it; call once nothing is left of the program.

        It would end by itself with the holder, but later: whoever sees the holder gone would find a process of the unit
        without one, and take it for lost.
        """
        os.kill(self.pid, signal.SIGKILL)  # it is deaf to anything gentler
        os.waitpid(self.pid, 0)


def _watch(reading: int, mark: str) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    os.closerange(3, reading)
    os.closerange(reading + 1, 256)
    group = 0
    while piece := os.read(reading, 4096):
        group = int(piece.split()[-1])
    if group:
        end_group(group)
    end_marked(HOLDER_MARK, mark)
