"""Answers that were given before: bounded in bytes and in time, the least recently used leaves first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import msgspec

# What a key, an entry and its place in the table take, measured roughly; it keeps many tiny answers bounded too.
_OVERHEAD_BYTES = 512


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One answer. `body` is a whole answer's JSON, or with `streamed` its events without usage and with `[DONE]`.

    `usage` is the engine's usage object as JSON, empty where it reported none. `cascade` is what became of a first
    model's step when it was generated, empty where there was none.
    """

    body: bytes
    usage: bytes
    streamed: bool
    cascade: str = ""


class Answers:
    """What one worker remembers for one model."""

    def __init__(self, version: str, memory_bytes: int, clock: Callable[[], float]) -> None:
        self.version = version
        self.memory_bytes = memory_bytes
        self.held_bytes = 0
        self._clock = clock
        self._entries: OrderedDict[tuple[bytes, bool], tuple[float, Entry]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: bytes, *, streamed: bool) -> Entry | None:
        """The answer under `key` in this form, while it is fresh."""
        place = (key, streamed)
        found = self._entries.get(place)
        if found is None:
            return None
        if found[0] <= self._clock():
            self._drop(place)
            return None
        self._entries.move_to_end(place)
        return found[1]

    def expiry(self, key: bytes, *, streamed: bool) -> float:
        """When the answer ends, for a copy of it in another form, which must not outlive it."""
        found = self._entries.get((key, streamed))
        return 0.0 if found is None else found[0]

    def put(self, key: bytes, entry: Entry, expires_at: float) -> None:
        """Keep an answer; what does not fit at all is not kept."""
        place = (key, entry.streamed)
        self._drop(place)
        size = _size(entry)
        if size > self.memory_bytes:
            return
        self._entries[place] = (expires_at, _compact(entry))
        self.held_bytes += size
        self.shrink()

    def replace(self, key: bytes, entry: Entry, expires_at: float) -> None:
        """Keep an answer in the place of every form of the one before."""
        self._drop((key, not entry.streamed))
        self.put(key, entry, expires_at)

    def shrink(self) -> None:
        """Let the least recently used go until the rest fits."""
        while self.held_bytes > self.memory_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        self._entries.clear()
        self.held_bytes = 0

    def _drop(self, place: tuple[bytes, bool]) -> None:
        found = self._entries.pop(place, None)
        if found is not None:
            self.held_bytes -= _size(found[1])


def _compact(entry: Entry) -> Entry:
    """A copy: what orjson writes keeps 4 KiB behind it, ten times what a short answer is counted as."""
    return Entry(bytes(memoryview(entry.body)), bytes(memoryview(entry.usage)), entry.streamed, entry.cascade)


def _size(entry: Entry) -> int:
    return len(entry.body) + len(entry.usage) + _OVERHEAD_BYTES
