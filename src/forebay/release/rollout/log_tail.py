"""The lines that a rollout's calls leave in the workers' logs, from the begin of a step on, across rotations."""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

_PIECE_BYTES = 4 * 1024 * 1024
_SLACK_S = 2.0
_MARK = b'"lane":"'
_HEAD = b'{"timestamp":"'
_NEEDED = {"timestamp", "message", "lane", "engine", "model", "status", "tokens", "latency_ms"}


class Tail:
    """One log from about `since_s` on. `read` gives what is new, nothing twice; rotated files come first."""

    def __init__(self, path: Path, since_s: float) -> None:
        self._path = path
        self._since_s = since_s
        self._inode = 0
        self._offset = 0
        self._rest = b""

    def read(self) -> bytes:
        """Whole lines, at most a piece of them."""
        for path, inode in self._from_here():
            if inode != self._inode:
                self._inode, self._offset, self._rest = inode, 0, b""
            try:
                with path.open("rb") as file:
                    if os.fstat(file.fileno()).st_ino != inode:  # rotated just now
                        return b""
                    file.seek(self._offset)
                    piece = file.read(_PIECE_BYTES)
            except FileNotFoundError:
                return b""
            if piece:
                self._offset += len(piece)
                whole, mark, rest = (self._rest + piece).rpartition(b"\n")
                self._rest = rest
                return whole + mark
        return b""

    def _from_here(self) -> list[tuple[Path, int]]:
        """The files that are not read yet, oldest first: the one that was read last among them."""
        numbered = sorted(
            (int(each.suffix[1:]), each)
            for each in self._path.parent.glob(f"{self._path.name}.*")
            if each.suffix[1:].isdigit()
        )
        found = []
        for path in (*(each for _number, each in reversed(numbered)), self._path):
            try:
                stat = path.stat()
            except FileNotFoundError:
                continue
            if stat.st_mtime >= self._since_s - _SLACK_S or path == self._path:
                found.append((path, stat.st_ino))
        known = [index for index, (_path, inode) in enumerate(found) if inode == self._inode]
        return found[known[0] :] if known else found


class Calls:
    """The calls of all workers since a moment."""

    def __init__(self, logs: Path, since_s: float) -> None:
        self._logs = logs
        self._since_s = since_s
        self._since = datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3].encode()
        self._tails: dict[Path, Tail] = {}

    def read(self) -> Iterator[dict[str, Any]]:
        """What is new, in the order of time as far as it was written by now; a piece of each log is held at a time."""
        for path in self._logs.glob("worker-*.log"):
            self._tails.setdefault(path, Tail(path, self._since_s))
        logs = [_all(tail, self._since) for tail in self._tails.values()]
        return heapq.merge(*logs, key=lambda line: str(line["timestamp"]))


def _all(tail: Tail, since: bytes) -> Iterator[dict[str, Any]]:
    begin, end = len(_HEAD), len(_HEAD) + len(since)
    while piece := tail.read():
        for line in piece.split(b"\n"):
            # A worker writes the time first: what is older need not be decoded to be passed over.
            if _MARK not in line or not line.startswith(_HEAD) or line[begin:end] < since:
                continue
            try:
                found = msgspec.json.decode(line)
            except msgspec.DecodeError:  # cut by a worker's death
                continue
            if isinstance(found, dict) and found.keys() >= _NEEDED:
                yield found
