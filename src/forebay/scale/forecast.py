"""What will come, by what came at this time of earlier days; with its error beside those of simple guesses. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

import msgspec

_DAYS = 14
_FADES = 0.7
_WEEKDAY = 3.0
"""The same day of the week counts as much as so many others of its age."""
_LEVEL_SLOTS = 3
_LEAST_LEVEL, _MOST_LEVEL = 0.25, 4.0
_EDGE = 0.25
_FINE = 96
"""From so many slots a day on, a slot is short enough that its peak may as well lie in the next one."""


class Errors(msgspec.Struct, frozen=True, kw_only=True):
    """Mean absolute errors over the `slots` that were foretold, each from what was known so far ahead.

    `last`: of guessing what comes now; `yesterday`: of guessing what came a day before. `skill`: the part of the
    better guess's error that the forecast saves; below 0 it is worse. `under_p90`: what nine of ten slots exceed their
    forecast by at most, as a ratio.
    """

    slots: int
    mean: float
    forecast: float
    last: float
    yesterday: float | None
    under_p90: float

    @property
    def skill(self) -> float:
        best = min(self.last, self.yesterday) if self.yesterday is not None else self.last
        return 1 - self.forecast / best if best > 0 else 0.0


def foretell(values: Sequence[float], day: int, ahead: int) -> float:
    """The value `ahead` slots after the last one, where a day has `day` slots.

    The usual value at that time, at the level of the last slots; without a whole day before it, the last value.
    """
    at = len(values) - 1 + ahead
    usual = _usual(values, at, day, len(values))
    if usual is None:
        return values[-1]
    recent = range(max(0, len(values) - _LEVEL_SLOTS), len(values))
    before = [_usual(values, slot, day, len(values)) for slot in recent]
    known = [(values[slot], each) for slot, each in zip(recent, before, strict=True) if each is not None]
    expected = sum(each for _value, each in known)
    if expected <= 0:
        return usual
    level = sum(value for value, _each in known) / expected
    return usual * min(_MOST_LEVEL, max(_LEAST_LEVEL, level))


def errors(values: Sequence[float], day: int, ahead: int, slots: int) -> Errors:
    """How the forecast would have done on the last `slots`, each foretold without what came after."""
    told: list[tuple[float, float, float, float | None]] = []
    for at in range(max(len(values) - slots, ahead + 1), len(values)):
        known = values[: at - ahead + 1]
        yesterday = values[at - day] if at >= day and ahead <= day else None
        told.append((values[at], foretell(known, day, ahead), known[-1], yesterday))
    days = [(value, each) for value, _f, _l, each in told if each is not None]
    over = sorted(value / guess - 1 for value, guess, _l, _y in told if guess > 0)
    return Errors(
        slots=len(told),
        mean=fmean(value for value, _f, _l, _y in told) if told else 0.0,
        forecast=fmean(abs(value - guess) for value, guess, _l, _y in told) if told else 0.0,
        last=fmean(abs(value - last) for value, _f, last, _y in told) if told else 0.0,
        yesterday=fmean(abs(value - each) for value, each in days) if len(days) == len(told) and days else None,
        under_p90=max(0.0, over[int(0.9 * (len(over) - 1))]) if over else 0.0,
    )


def _usual(values: Sequence[float], at: int, day: int, known: int) -> float | None:
    """What came at that time on earlier days, the latest days and the same weekday counting more."""
    total = weight = 0.0
    for days in range(1, _DAYS + 1):
        place = at - days * day
        if place < 0:
            break
        if place >= known:
            continue
        share = _FADES ** (days - 1) * (_WEEKDAY if days % 7 == 0 else 1.0)
        total += share * (_smoothed(values, place, known) if day >= _FINE else values[place])
        weight += share
    return total / weight if weight else None


def _smoothed(values: Sequence[float], place: int, known: int) -> float:
    """With a part of its neighbours: a peak does not come to the minute."""
    before = values[place - 1] if place else values[place]
    after = values[place + 1] if place + 1 < known else values[place]
    return (1 - 2 * _EDGE) * values[place] + _EDGE * (before + after)
