"""How many copies of an engine run: more soon, fewer late, never beyond what the file allows. Pure."""

from __future__ import annotations

import math
from collections import deque
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

_ROOM = 0.8
"""A copy goes only where those that stay would be at most so full: else it would be wanted back at once."""


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
    """What copies have to do at a moment. `expected`: calls in flight that are foreseen, 0 where nobody foresees."""

    at_s: float
    wall_s: float
    calls: float
    ready: int
    kv_ratio: float | None = None
    expected: float = 0.0


class _Looked(msgspec.Struct, frozen=True):
    at_s: float
    more: int
    fewer: int
    why: str


class Scaler:
    """The copies of one engine over time. `copies`: how many are wanted now, and `why`."""

    def __init__(self, rules: Rules, copies: int, at_s: float) -> None:
        self.rules = rules
        self.copies = max(rules.least, min(rules.most, copies))
        self.why = "as it was found"
        self._since_s = at_s
        self._seen: deque[_Looked] = deque()

    def decide(self, load: Load) -> bool:
        """Take a look into account; whether another number of copies is wanted than before.

        More once every look of the last `up_s` asked for it; fewer once none of the last `down_s` did, and nothing has
        changed for so long. What the clock or a forecast asks for holds at once: it is asked for ahead of time.
        """
        rules = self.rules
        floor = self._floor(load)
        more, why = self._needed(load)
        self._seen.append(_Looked(load.at_s, max(more, floor[0]), self._needed_with_room(load), why))
        while self._seen and self._seen[0].at_s < load.at_s - max(rules.up_s, rules.down_s):
            self._seen.popleft()
        if floor[0] > self.copies:
            return self._set(floor[0], floor[1], load.at_s)
        lately = [each for each in self._seen if each.at_s >= load.at_s - rules.up_s]
        low = min(lately, key=lambda each: each.more)
        if low.more > self.copies and self._seen[0].at_s <= load.at_s - rules.up_s:
            return self._set(low.more, low.why, load.at_s)
        high = max(floor[0], *(each.fewer for each in self._seen))
        if high < self.copies and load.at_s - self._since_s >= rules.down_s:
            return self._set(high, f"for {rules.down_s:g} s no more were needed", load.at_s)
        return False

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
        by_calls = math.ceil(load.calls / (rules.calls * _ROOM))
        by_cache = 0 if load.kv_ratio is None else math.ceil(load.ready * load.kv_ratio / (rules.kv_ratio * _ROOM))
        return max(rules.least, min(rules.most, max(by_calls, by_cache)))
