"""A log file rotated by size that never blocks or kills the program it belongs to."""

from __future__ import annotations

import os
from pathlib import Path


class LogFile:
    """Appends to `path`; beyond `rotate_bytes` it becomes `.1`, `.1` becomes `.2`, and what is older than `keep` goes.

    A disk that takes nothing more loses lines: `dropped` counts the writes that failed, and writing is tried again.
    """

    def __init__(self, path: Path, rotate_bytes: int, keep: int) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._descriptor: int | None = None
        self._size_bytes = 0
        self.dropped = 0

    def write(self, content: bytes) -> None:
        """Append whole lines."""
        try:
            if self._descriptor is not None and self._size_bytes + len(content) > self._rotate_bytes:
                self._rotate()
            if self._descriptor is None:
                self._open()
            self._append(content)
        except OSError:
            self.dropped += 1

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._size_bytes = os.fstat(self._descriptor).st_size

    def _append(self, content: bytes) -> None:
        assert self._descriptor is not None  # noqa: S101  `write` has just opened it
        written = os.write(self._descriptor, content)
        if written < len(content):  # the disk filled up in the middle: take the torn line back
            os.ftruncate(self._descriptor, self._size_bytes)
            self.dropped += 1
            return
        self._size_bytes += written

    def _rotate(self) -> None:
        self.close()
        for number in range(self._keep - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self._path.replace(self._numbered(1))

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
