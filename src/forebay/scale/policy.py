"""How many copies of an engine run: more soon, fewer late, never beyond what the file allows. Pure."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from forebay.messages.reasons import Reason

_ROOM = 0.8
"""A copy goes only where those that stay would be at most so full: else it would be wanted back at once."""
_GAP_S = 10.0
"""After so long without a look nobody knows what was needed meanwhile, and what was seen before says nothing."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Part of the days of a week, in minutes from midnight; one that ends before it begins ends on the next day."""

    days: frozenset[int]
    from_minute: int
    to_minute: int
    least: int

    def holds(self, when: datetime) -> bool:
        """Whether the moment lies in it."""
        minute, day = when.hour * 60 + when.minute, when.weekday()
        if self.from_minute < self.to_minute:
            return day in self.days and self.from_minute <= minute < self.to_minute
        return (day in self.days and minute >= self.from_minute) or (
            (day - 1) % 7 in self.days and minute < self.to_minute
        )


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """See the `scale` keys of an engine. `calls`: what one copy should have in flight, waiting calls included."""

    least: int
    most: int
    calls: float
    kv_ratio: float = 0.9
    up_s: float = 3.0
    down_s: float = 600.0
    windows: tuple[Window, ...] = ()
    zone: str = "UTC"

    def floor(self, wall_s: float) -> int:
        """The fewest copies at a moment, in seconds since the epoch."""
        if not self.windows:
            return self.least
        when = datetime.fromtimestamp(wall_s, ZoneInfo(self.zone))
        return min(self.most, max([self.least, *(each.least for each in self.windows if each.holds(when))]))


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What copies have to do at a moment. `expected`: calls in flight that are foreseen, 0 where nobody foresees.

    `held`: calls that the copies themselves say they have, which may be others' too. `unseen`: what does not tell how
    much there is to do, so that there may be more; None where all do.
    """

    at_s: float
    wall_s: float
    calls: float
    ready: int
    kv_ratio: float | None = None
    expected: float = 0.0
    held: float = 0.0
    unseen: Reason | None = None


class _Looked(msgspec.Struct, frozen=True):
    at_s: float
    more: int
    fewer: int
    why: str


class Scaler:
    """The copies of one engine over time. `copies`: how many are wanted now, and `why`.

    `unseen`: what has not told for so long that no copy goes until it tells again.
    """

    def __init__(self, rules: Rules, copies: int, at_s: float) -> None:
        self.rules = rules
        self.copies = max(rules.least, min(rules.most, copies))
        self.why = "as it was found"
        self.unseen: Reason | None = None
        self._since_s = self._seen_at_s = at_s
        self._seen: deque[_Looked] = deque()

    def decide(self, load: Load) -> bool:
        """Take a look into account; whether another number of copies is wanted than before.

        More once every look of the last `up_s` asked for it; fewer once none of the last `down_s` did, and nothing has
        changed for so long. What the clock or a forecast asks for holds at once: it is asked for ahead of time.
        """
        rules = self.rules
        floor = self._floor(load)
        more, why = self._needed(load)
        self._look(_Looked(load.at_s, max(more, floor[0]), self._enough(load), why))
        if floor[0] > self.copies:
            return self._set(floor[0], floor[1], load.at_s)
        low = min(self._lately(load.at_s - rules.up_s), key=lambda each: each.more, default=None)
        if low is not None and low.more > self.copies:
            return self._set(low.more, low.why, load.at_s)
        needed = [each.fewer for each in self._lately(load.at_s - rules.down_s)]
        high = max([floor[0], *needed])
        if needed and high < self.copies and load.at_s - self._since_s >= rules.down_s:
            return self._set(high, f"for {rules.down_s:g} s no more were needed", load.at_s)
        return False

    def _look(self, look: _Looked) -> None:
        """Keep what the rules look back on, and the look before it: it tells that all of that time was seen."""
        if self._seen and look.at_s - self._seen[-1].at_s > _GAP_S:
            self._seen.clear()
        self._seen.append(look)
        edge_s = look.at_s - max(self.rules.up_s, self.rules.down_s)
        while len(self._seen) > 1 and self._seen[1].at_s <= edge_s:
            self._seen.popleft()

    def _lately(self, since_s: float) -> list[_Looked]:
        """The looks since then; none where nobody looked that long ago."""
        return [each for each in self._seen if each.at_s >= since_s] if self._seen[0].at_s <= since_s else []

    def _enough(self, load: Load) -> int:
        """How many copies would do, with room; as many as there are where that has not been seen for a while."""
        if load.unseen is None:
            self._seen_at_s, self.unseen = load.at_s, None
            return self._needed_with_room(load)
        if load.at_s - self._seen_at_s <= _GAP_S:  # one answer that was late is no blindness
            return self._seen[-1].fewer if self._seen else self.copies
        self.unseen = load.unseen
        return self.copies

    def _set(self, copies: int, why: str, at_s: float) -> bool:
        self.copies, self.why, self._since_s = copies, why, at_s
        return True

    def _floor(self, load: Load) -> tuple[int, str]:
        rules = self.rules
        by_clock = rules.floor(load.wall_s)
        foreseen = min(rules.most, math.ceil(load.expected / rules.calls))
        if foreseen > by_clock:
            return foreseen, f"{load.expected:.1f} calls at a time are foreseen"
        return by_clock, f"{by_clock} at this time of the week" if by_clock > rules.least else f"{by_clock} at least"

    def _needed(self, load: Load) -> tuple[int, str]:
        rules = self.rules
        by_calls = math.ceil(load.calls / rules.calls)
        by_cache = 0 if load.kv_ratio is None else math.ceil(load.ready * load.kv_ratio / rules.kv_ratio)
        if by_cache > max(by_calls, load.ready):
            return min(rules.most, by_cache), f"their KV caches are {load.kv_ratio:.0%} full"
        return max(rules.least, min(rules.most, by_calls)), f"{load.calls:.0f} calls, {rules.calls:g} for each copy"

    def _needed_with_room(self, load: Load) -> int:
        rules = self.rules
        by_calls = math.ceil(max(load.calls, load.held) / (rules.calls * _ROOM))
        by_cache = 0 if load.kv_ratio is None else math.ceil(load.ready * load.kv_ratio / (rules.kv_ratio * _ROOM))
        return max(rules.least, min(rules.most, max(by_calls, by_cache)))
