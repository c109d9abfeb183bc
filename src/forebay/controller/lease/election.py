"""Who leads, by one record in a place that swaps it atomically. Pure: clocks and answers are given.

No clock is believed but the contender's own, and of that only how fast it runs: a record that the contender has seen
unchanged for a whole `ttl_s`, over one connection, belongs to nobody who acts any more, because a leader acts only
until 0.8 `ttl_s` after it asked for its last renewal. So neither a clock that jumps nor a place that forgets, or comes
back with something old, makes two leaders; a place that is lost leaves none.
"""

from __future__ import annotations

import msgspec

ACTS_RATIO = 0.8
"""What of `ttl_s` a leader uses: the rest is for clocks that do not run equally fast, and for what is under way."""

_NEVER = float("-inf")


class Record(msgspec.Struct, frozen=True):
    """What lies there. `number` grows with every leader; `token` is one process's own, and empty once it is let go."""

    number: int
    token: str
    holder: str
    renewed: int = 0


class Step(msgspec.Struct, frozen=True):
    """Put `wanted` there if `expected` lies there; both empty: only look. `sent_s`: when it was decided."""

    expected: bytes
    wanted: bytes
    sent_s: float


class Election:
    """One contender. After it has led and lost it never leads again: the process ends itself.

    `leader`: who leads, as far as this one has seen; empty where nobody has renewed while it looked.
    """

    def __init__(self, holder: str, token: str, ttl_s: float, seen: int = 0) -> None:
        self.number = 0
        self.found: Record | None = None
        self.leader = ""
        self.seen = seen
        self._holder = holder
        self._token = token
        self._ttl_s = ttl_s
        self._text: bytes | None = None
        self._unchanged_s = _NEVER
        self._let_go = False
        self._until_s = _NEVER

    def leads(self, now_s: float) -> bool:
        """Whether it may act at this moment."""
        return now_s < self._until_s

    def over(self, now_s: float) -> bool:
        """Whether it has led and does no more."""
        return self.number > 0 and not self.leads(now_s)

    def look(self, now_s: float) -> Step:
        """What changes nothing."""
        return Step(b"", b"", now_s)

    def step(self, now_s: float, wall_ms: int) -> Step:
        """What to send next."""
        look = self.look(now_s)
        if self._text is None or self.over(now_s):
            return look
        if self.leads(now_s):
            renewed = self.found.renewed + 1 if self.found is not None else 1
            return self._put(Record(self.number, self._token, self._holder, renewed), now_s)
        if not self._let_go and now_s - self._unchanged_s < self._ttl_s:
            return look
        # Not only one more than what lies there: a place that has forgotten must not give a number for the second time.
        return self._put(Record(max(self.seen + 1, wall_ms), self._token, self._holder), now_s)

    def release(self, now_s: float) -> Step | None:
        """What lets the next one lead at once; nothing is done any more after this. None where it does not lead."""
        if not self.leads(now_s) or self._text is None:
            return None
        self._until_s = _NEVER
        return self._put(Record(self.number, "", self._holder), now_s)

    def heard(self, step: Step, text: bytes, now_s: float) -> None:
        """What lies there now, as the answer to `step` told."""
        before, first = self._text, self._text is None
        self._text = text
        self.found = read(text)
        number = self.found.number if self.found is not None else 0
        self.seen = max(self.seen, number)
        if first or text != before:
            self._unchanged_s = now_s
            # Only who renews while we look leads for certain.
            self.leader = self.found.holder if not first and self.found is not None and self.found.token else ""
            # What was let go before we looked may be older than it seems: a place may come back with old content.
            self._let_go = not first and self.found is not None and not self.found.token
        if step.wanted and text == step.wanted and not self.over(now_s):
            self.number = number
            self._until_s = step.sent_s + ACTS_RATIO * self._ttl_s
        elif self.leads(now_s) and self._is_overruled():
            self._until_s = _NEVER

    def lost_touch(self) -> None:
        """The connection has ended: what lies there may have changed, and changed back."""
        self._text = None
        self._let_go = False
        self.leader = ""

    def _is_overruled(self) -> bool:
        found = self.found
        return found is not None and found.token != self._token and found.number >= self.number

    def _put(self, record: Record, now_s: float) -> Step:
        return Step(self._text or b"", msgspec.json.encode(record), now_s)


def read(text: bytes) -> Record | None:
    """The record; None where nothing that can be read lies there."""
    try:
        return msgspec.json.decode(text, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
