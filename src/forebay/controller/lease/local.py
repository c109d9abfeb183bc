"""The leader of one machine: whoever holds the kernel's lock on `leader`, which dies with its process.

A leader that is stopped keeps the lock, so its heartbeat is watched: who stands by kills one that is silent too long.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from forebay.core.proc import Identity, identify, send

_BEATS = 5
_RECORD_BYTES = 512


class LocalLeader(msgspec.Struct, frozen=True):
    """Who holds the lock, or held it last. `since`: seconds since the epoch."""

    unit: str
    me: Identity
    number: int
    since: float


def read_leader(path: Path) -> LocalLeader | None:
    """Who wrote last that it leads; None where nobody has. It may have died since."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=LocalLeader)
    except (OSError, msgspec.DecodeError):
        return None


class LocalLease:
    """One contender for the lock on `path`. `hung` says whether the process is alive but does nothing."""

    def __init__(self, path: Path, unit: str, ttl_s: float, hung: Callable[[], bool]) -> None:
        self.number = 0
        self._path = path
        self._unit = unit
        self._ttl_s = ttl_s
        self._hung = hung
        self._descriptor = -1
        self._silence = Silence(ttl_s)
        self._over = threading.Event()

    def take(self, now_s: float) -> bool:
        """Try once; a leader that has been silent too long is killed, and the next try finds the lock free."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            beat = os.fstat(descriptor).st_mtime_ns
            os.close(descriptor)
            if self._silence.is_over(beat, now_s):
                self._end_leader()
            return False
        self._descriptor = descriptor
        if not self.holds():  # the file was replaced while we waited for its lock
            os.close(descriptor)
            self._descriptor = -1
            return False
        self._write()
        threading.Thread(target=self._beat, name="lease", daemon=True).start()
        return True

    def holds(self) -> bool:
        """Whether the lock is ours: the file at the path is still the one that we have locked."""
        if self._descriptor < 0:
            return False
        try:
            found, ours = self._path.stat(), os.fstat(self._descriptor)
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)

    def release(self) -> None:
        """Let the next one lead."""
        self._over.set()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _write(self) -> None:
        before = read_leader(self._path)
        self.number = before.number + 1 if before is not None else 1
        me = identify(os.getpid()) or Identity(os.getpid(), 0, "")
        record = msgspec.json.encode(LocalLeader(self._unit, me, self.number, time.time()))
        # In one write over the old one: who reads meanwhile, or after a crash, finds a number.
        os.pwrite(self._descriptor, record.ljust(_RECORD_BYTES), 0)

    def _beat(self) -> None:
        while not self._over.wait(self._ttl_s / _BEATS):
            if not self._hung():
                with contextlib.suppress(OSError):  # let go meanwhile
                    os.utime(self._descriptor)

    def _end_leader(self) -> None:
        leader = read_leader(self._path)
        if leader is not None and leader.me.alive:
            send([leader.me.pid], signal.SIGKILL)


class Silence:
    """How long a heartbeat has been the same, in time in which we were awake ourselves."""

    def __init__(self, ttl_s: float, longest_look_s: float = 1.0) -> None:
        self._ttl_s = ttl_s
        self._longest_look_s = longest_look_s
        self._beat: int | None = None
        self._silent_s = 0.0
        self._looked_s = 0.0

    def is_over(self, beat: int, now_s: float) -> bool:
        """Whether the leader has been silent for longer than its lease."""
        if beat != self._beat:
            self._beat, self._silent_s = beat, 0.0
        else:
            # After a sleep of the whole machine the leader has had no more time to beat than we had to look.
            self._silent_s += min(now_s - self._looked_s, self._longest_look_s)
        self._looked_s = now_s
        return self._silent_s >= self._ttl_s
