"""Follows logs as they grow and are rotated, without losing a line or reading one twice."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_READ_BYTES = 1024 * 1024


class Tail:
    """One log. The first read starts at its end: what was written before is nobody's news."""

    def __init__(self, path: Path, *, from_start: bool = False) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._rest = b""
        self._skip = not from_start

    def lines(self) -> Iterator[bytes]:
        """Whole lines that came since the last time; what is left of a rotated file first."""
        while True:
            if self._descriptor is None and not self._open():
                return
            yield from self._read()
            if not self._is_replaced():
                return
            self.close()

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor, self._rest = None, b""

    def _open(self) -> bool:
        try:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            self._skip = False  # what appears later is news from its first line
            return False
        if self._skip:
            os.lseek(self._descriptor, 0, os.SEEK_END)
            self._skip = False
        return True

    def _read(self) -> Iterator[bytes]:
        while self._descriptor is not None and (piece := os.read(self._descriptor, _READ_BYTES)):
            *whole, self._rest = (self._rest + piece).split(b"\n")
            yield from whole

    def _is_replaced(self) -> bool:
        """Whether the name means another file by now, which is there to be read."""
        try:
            there = self._path.stat()
        except OSError:
            return False
        mine = os.fstat(self._descriptor) if self._descriptor is not None else there
        return (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino)
