"""A log file rotated by size and age that never blocks or kills the program it belongs to."""

from __future__ import annotations

import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path

_TIMESTAMP = re.compile(rb'\{"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)')
_FIRST_BYTES = 64


class LogFile:
    """Appends to `path`; beyond `rotate_bytes` it becomes `.1`, `.1` becomes `.2`, and what is older than `keep` goes.

    One that has been written for longer than `span_s` is rotated, too, so that lines can go by their age; 0: never.
    A disk that takes nothing more loses lines: `dropped` counts the writes that failed, and writing is tried again.
    """

    def __init__(self, path: Path, rotate_bytes: int, keep: int, span_s: float = 0.0) -> None:
        self._path = path
        self._rotate_bytes = rotate_bytes
        self._keep = keep
        self._span_s = span_s
        self._rotate_at_s = float("inf")
        self._descriptor: int | None = None
        self._size_bytes = 0
        self.dropped = 0

    def write(self, content: bytes) -> None:
        """Append whole lines."""
        try:
            if self._descriptor is None:
                self._open()
            full = self._size_bytes + len(content) > self._rotate_bytes
            if self._size_bytes and (full or time.time() >= self._rotate_at_s):
                self._rotate()
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
        if self._span_s:
            self._rotate_at_s = self._began_at_s() + self._span_s

    def _began_at_s(self) -> float:
        """When the file's first line was written, by its own word; now for a new file and where it does not say."""
        with self._path.open("rb") as file:
            found = _TIMESTAMP.match(file.read(_FIRST_BYTES)) if self._size_bytes else None
        if found is None:
            return time.time()
        return datetime.fromisoformat(found[1].decode()).replace(tzinfo=UTC).timestamp()

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
