"""What is in use of one limit, as one worker counts it. Pure: the clock is passed in.

A gauge never takes more than its cap. Over several workers, caps are leased: the sum of all caps stays within the
limit, and a worker gives a cap back only as far as it has nothing in use below it. Whatever the workers do within their
caps, the limit holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil
from typing import Protocol

WINDOW_S = 60
_DAY_S = 86_400
_NEVER = float("inf")
_KEPT_PERIODS = 4

Clock = Callable[[], float]


class Gauge(Protocol):
    """Something that a call uses a number of units of.

    `take` counts units in where they fit below `cap`, at `now` in monotonic seconds. It and `add`, which asks nobody,
    return a stamp that tells `settle` where they were counted; `take` returns None where they do not fit. `in_use` is
    what `used` was at the last of these looks. `is_idle`: a new one would say the same from now on, at `now`.
    """

    keep_s: float
    keeps_hold: bool

    @property
    def in_use(self) -> int: ...
    def used(self) -> int: ...
    def settled(self) -> int: ...
    def take(self, units: int, cap: int, now: float) -> int | None: ...
    def add(self, units: int) -> int: ...
    def settle(self, stamp: int, reserved: int, actual: int) -> None: ...
    def wait_s(self, units: int) -> float: ...
    def reset_s(self) -> int: ...
    def is_idle(self, now: float) -> bool: ...


class Rate:
    """Units in the last minute: no window of 60 s ever holds more than the cap.

    A sliding window of 61 slots of one second. A token bucket would let twice the limit through within a minute (a full
    bucket, then its refill), a fixed window twice at its edge; the price here is that a unit may be remembered for up
    to a second too long.
    """

    keep_s = WINDOW_S + 1.0
    keeps_hold = True  # whoever vanished may have used all it held, a moment ago

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._slots: dict[int, int] = {}
        self.in_use = 0
        self._newest = self._last = 0
        self._newest_ends_at = 1.0

    def used(self) -> int:
        # A clock that goes back must not bring a slot to life behind newer ones: forgetting looks at the oldest first.
        clock = self._clock  # called as a method it would be looked for in the class first, each time
        if clock() >= self._newest_ends_at:
            self._begin_slot()
        return self.in_use

    def settled(self) -> int:
        return self.used()

    def take(self, units: int, cap: int, now: float) -> int | None:
        if now >= self._newest_ends_at:
            self._begin_slot()
        in_use = self.in_use + units
        if in_use > cap and units:
            return None
        slot, slots = self._newest, self._slots
        if slot in slots:
            slots[slot] += units
        else:
            slots[slot] = units
            self._last = slot
        self.in_use = in_use
        return slot

    def add(self, units: int) -> int:
        self.used()
        slot, slots = self._newest, self._slots
        slots[slot] = slots.get(slot, 0) + units
        self.in_use += units
        self._last = slot
        return slot

    def settle(self, stamp: int, reserved: int, actual: int) -> None:
        """Put `actual` in the place of `reserved`: less is taken out where it was counted, more is counted now."""
        if actual > reserved:
            self.add(actual - reserved)
        elif stamp in self._slots:
            counted, unused = self._slots[stamp], reserved - actual
            if unused > counted:  # noqa: PLR1730  a call of min costs 1,200 instructions
                unused = counted
            self.in_use -= unused
            if unused < counted:
                self._slots[stamp] = counted - unused
            else:
                del self._slots[stamp]  # nothing is in use there: it must not be waited for
                self._last = next(reversed(self._slots), 0)

    def wait_s(self, units: int) -> float:
        """Seconds until `units` of what is in use now are forgotten."""
        for slot, count in self._slots.items():
            units -= count
            if units <= 0:
                return max(0.0, slot + WINDOW_S + 1 - self._clock())
        return 0.0 if units <= 0 else _NEVER

    def reset_s(self) -> int:
        """Seconds, rounded up, until everything in use at the last look is forgotten."""
        return self._last + WINDOW_S + 1 - self._newest if self._slots else 0

    def is_idle(self, now: float) -> bool:
        return not self.used()

    def _begin_slot(self) -> None:
        self._newest = slot = int(self._clock())
        self._newest_ends_at = slot + 1.0
        slots = self._slots
        while slots and (first := next(iter(slots))) < slot - WINDOW_S:
            self.in_use -= slots.pop(first)


class Level:
    """Calls that run at this moment."""

    keep_s = 0.0
    keeps_hold = False

    def __init__(self) -> None:
        self.in_use = 0

    def used(self) -> int:
        return self.in_use

    def settled(self) -> int:
        return 0

    def take(self, units: int, cap: int, now: float) -> int | None:
        in_use = self.in_use + units
        if in_use > cap and units:
            return None
        self.in_use = in_use
        return 0

    def add(self, units: int) -> int:
        self.in_use += units
        return 0

    def settle(self, stamp: int, reserved: int, actual: int) -> None:
        self.in_use -= reserved

    def wait_s(self, units: int) -> float:
        """When a call ends is not known; a second is as good as any."""
        return 1.0

    def reset_s(self) -> int:
        return 0

    def is_idle(self, now: float) -> bool:
        return not self.in_use


class Spend:
    """Money of one calendar day or month in UTC, settled and reserved.

    The last few periods are kept, so that a clock that goes forward and back finds what was spent before. `taken_at` is
    when it was used last, in monotonic seconds: that clock nobody sets.
    """

    keeps_hold = False

    def __init__(self, clock: Clock, period: str, taken_at: float = 0.0) -> None:
        self._clock = clock
        self.taken_at = taken_at
        self._period_of = day_of if period == "day" else month_of
        self._ends_at = day_ends_at if period == "day" else month_ends_at
        self.keep_s = 2.0 * _DAY_S if period == "day" else 33.0 * _DAY_S
        self._spent: dict[int, int] = {}
        self._reserved: dict[int, int] = {}
        self._period, self._from, self._until = 0, 0.0, 0.0

    def period(self) -> int:
        """The day or month that it is."""
        clock = self._clock
        now = clock()
        if not self._from <= now < self._until:  # a calendar is dear to ask, and its days are long
            self._period, self._from, self._until = self._period_of(now), now, self._ends_at(now)
        return self._period

    @property
    def in_use(self) -> int:
        return self.used()

    def used(self) -> int:
        period = self.period()
        return self._spent.get(period, 0) + self._reserved.get(period, 0)

    def settled(self) -> int:
        return self._spent.get(self.period(), 0)

    def take(self, units: int, cap: int, now: float) -> int | None:
        period, reserved, spent = self.period(), self._reserved, self._spent
        self.taken_at = now
        if period not in reserved:
            return self.add(units) if not units or spent.get(period, 0) + units <= cap else None
        in_use = reserved[period] + units
        if units and spent.get(period, 0) + in_use > cap:
            return None
        reserved[period] = in_use
        return period

    def add(self, units: int) -> int:
        period = self.period()
        self._reserved[period] = self._reserved.get(period, 0) + units
        while len(self._reserved) > _KEPT_PERIODS:
            oldest = min(self._reserved)
            del self._reserved[oldest]
            self._spent.pop(oldest, None)
        return period

    def settle(self, stamp: int, reserved: int, actual: int) -> None:
        """Charged to the period in which the call was let in."""
        if stamp in self._reserved:
            self._reserved[stamp] -= reserved
            self._spent[stamp] = self._spent.get(stamp, 0) + actual

    def wait_s(self, units: int) -> float:
        now = self._clock()
        return self._ends_at(now) - now

    def reset_s(self) -> int:
        return ceil(self.wait_s(0))

    def is_idle(self, now: float) -> bool:
        """Nothing is reserved, and nothing was ever spent, or so long ago that its period is over by any clock."""
        spent = any(self._spent.values()) and now - self.taken_at < self.keep_s
        return not spent and not any(self._reserved.values())

    def record(self) -> dict[int, int]:
        """What was spent in each period: what a worker that starts again needs to know."""
        return dict(self._spent)

    def restore(self, spent: dict[int, int]) -> None:
        for period, units in spent.items():
            self._spent[period] = self._spent.get(period, 0) + units
            self._reserved.setdefault(period, 0)


def is_recent(name: str, record: dict[int, int], now: float) -> bool:
    """Whether a record of the limit `name` holds one of the last periods, `now` in epoch seconds."""
    present = day_of(now) if name.endswith("day") else month_of(now)
    return any(period > present - _KEPT_PERIODS for period in record)


def day_of(now: float) -> int:
    return int(now // _DAY_S)


def day_ends_at(now: float) -> float:
    return (day_of(now) + 1) * _DAY_S


def month_of(now: float) -> int:
    """Months since year 0."""
    date = time.gmtime(now)
    return date.tm_year * 12 + date.tm_mon - 1


def month_ends_at(now: float) -> float:
    date = time.gmtime(now)
    rest_of_day = day_ends_at(now)
    for days in range(32):
        if time.gmtime(rest_of_day + days * _DAY_S).tm_mon != date.tm_mon:
            return rest_of_day + days * _DAY_S
    return rest_of_day
