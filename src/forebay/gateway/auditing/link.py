"""A worker's connection to the audit log's writer: entries go in batches, words come back by number.

What was sent and has no answer is sent again over the next connection: the writer may have ended after the flush and
before it could say so, and the log then holds the entry twice, which it tells by itself, where once too few would not
be told by anything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from forebay.audit.messages import Append, Durable, Refused, read_answered
from forebay.audit.record import Entry
from forebay.gateway.unix_link import UnixLink
from forebay.wire.frames import framed

Hear = Callable[[str], None]
"""Hears "" once the entry is on the disk; else why it is not there, a bounded word: late, full, stopped, crowded."""

# Two seconds of calls at their fastest: more would wait longer than any of them may.
_MOST_WAITING = 20_000
# As long as their texts may be, so many are well below messages.LARGEST_BYTES: a frame beyond it would be refused, sent
# again, and refused again.
_AT_ONCE = 512


class _Waiting:
    __slots__ = ("entry", "hear", "until")

    def __init__(self, entry: Entry, hear: Hear | None, until: float) -> None:
        self.entry = entry
        self.hear = hear
        self.until = until


class AuditLink(UnixLink):
    """One to a worker. `counted` is told how many entries ended how."""

    def __init__(self, path: Path, counted: Callable[[str, int], None]) -> None:
        super().__init__(path)
        self._counted = counted
        self._waiting: deque[_Waiting] = deque()
        self._first = 1  # the number of the oldest that waits
        self._unsent = 0  # how many of the newest were not sent yet
        self._flushing = False
        self.unrecorded = 0

    @property
    def waiting(self) -> int:
        """Entries that nobody has said anything of."""
        return len(self._waiting)

    def post(self, entry: Entry, until: float, hear: Hear | None = None) -> None:
        """Hand an entry over. `hear` is told what became of it, until `until` on the monotonic clock."""
        if len(self._waiting) >= _MOST_WAITING:
            self._lost("crowded", 1)
            if hear is not None:
                asyncio.get_running_loop().call_soon(hear, "crowded")
            return
        self._waiting.append(_Waiting(entry, hear, until))
        self._unsent += 1
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def sweep(self, now: float) -> None:
        """A few times a second: connect where there is no connection, and tell those who have waited too long."""
        self.connect()
        late = []
        for waiting in self._waiting:
            if waiting.hear is None:  # nobody waits, or any more
                continue
            if waiting.until > now:
                break
            late.append(waiting.hear)
            waiting.hear = None
        for hear in late:
            self._counted("late", 1)
            hear("late")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._unsent = len(self._waiting)
        self._flush()

    def heard(self, frame: bytes) -> None:
        answer = read_answered(frame)
        if isinstance(answer, Durable):
            self._answered(answer.upto, "")
        elif isinstance(answer, Refused):
            self._answered(answer.upto, answer.reason)

    def _flush(self) -> None:
        self._flushing = False
        transport = self._transport
        if transport is None:
            return
        while self._unsent:
            start = len(self._waiting) - self._unsent
            batch = tuple(each.entry for each in islice(self._waiting, start, start + _AT_ONCE))
            self._unsent -= len(batch)
            transport.write(framed(Append(self._first + start, batch)))

    def _answered(self, upto: int, reason: str) -> None:
        count = 0
        while self._waiting and self._first <= upto:
            waiting = self._waiting.popleft()
            self._first += 1
            count += 1
            if waiting.hear is not None:
                waiting.hear(reason)
        if reason:
            self._lost(reason, count)
        elif count:
            self._counted("durable", count)

    def _lost(self, reason: str, count: int) -> None:
        self.unrecorded += count
        self._counted(reason, count)
