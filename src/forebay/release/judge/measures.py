"""The measures by which a canary is judged, each with its continuous guard and its comparison at the end of a step."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

from forebay.release.judge.guards import EventGuard, ValueGuard
from forebay.release.judge.observation import Observation, Side, Stratum
from forebay.release.judge.ranks import compare, factor
from forebay.release.judge.rates import rise
from forebay.release.judge.series import Series
from forebay.release.judge.tolerance import Tolerance

Outcome = Literal["pass", "fail", "insufficient data"]
_SMALL_EFFECT = 0.56


class Finding(msgspec.Struct, frozen=True):
    """What one measure says. `why` is a sentence with the numbers; `change` is a ratio for values, a rise for rates."""

    measure: str
    outcome: Outcome
    why: str
    change: float | None = None


class Measure(Protocol):
    """One thing that is compared. `alarm_p` is valid however often it is read."""

    name: str

    @property
    def calls(self) -> int: ...

    @property
    def alarm_p(self) -> float: ...

    def finding(self, alpha: float) -> Finding: ...


class Rate:
    """An event that should not become more frequent (either way, where `both_ways`)."""

    def __init__(self, name: str, odds: float, most_rise: float, limits: Tolerance, *, both_ways: bool = False) -> None:
        self.name = name
        self._most_rise, self._limits, self._both_ways = most_rise, limits, both_ways
        self._guards = [EventGuard(odds)] + ([EventGuard(odds)] if both_ways else [])
        self._counts: dict[Side, list[int]] = {"baseline": [0, 0], "canary": [0, 0]}

    def note(self, seen: Observation, event: bool) -> None:
        counts = self._counts[seen.side]
        counts[0] += event
        counts[1] += 1
        self._guards[0].add(seen.side, seen.stratum, event)
        if self._both_ways:
            self._guards[1].add(_other(seen.side), seen.stratum, event)

    @property
    def calls(self) -> int:
        return self._counts["baseline"][1] + self._counts["canary"][1]

    @property
    def alarm_p(self) -> float:
        return min(1.0, len(self._guards) * min(guard.wager.p_value for guard in self._guards))

    def finding(self, alpha: float) -> Finding:
        baseline, canary = self._counts["baseline"], self._counts["canary"]
        sides = (baseline[0], baseline[1]), (canary[0], canary[1])
        said = f"{_share(*sides[1])} at the canary, {_share(*sides[0])} at the baseline"
        if min(baseline[1], canary[1]) < self._limits.least_calls:
            return Finding(self.name, "insufficient data", said)
        low, change, high = rise(*sides, self._limits.confidence)
        sure_low, _, sure_high = rise(*sides, 1 - alpha)
        if sure_low > self._most_rise or (self._both_ways and sure_high < -self._most_rise):
            return Finding(self.name, "fail", f"{said}: beyond the {self._most_rise:.1%} that are tolerated", change)
        if high <= self._most_rise and (not self._both_ways or low >= -self._most_rise):
            return Finding(self.name, "pass", said, change)
        return Finding(
            self.name, "insufficient data", f"{said}: the true rise lies in {low:+.1%} to {high:+.1%}", change
        )


class Value:
    """A figure that should not grow (nor shrink, where `both_ways`), compared within strata."""

    def __init__(self, name: str, tolerance: float, limits: Tolerance, *, both_ways: bool = False) -> None:
        self.name = name
        self._tolerance, self._limits, self._both_ways = tolerance, limits, both_ways
        self._guards = [ValueGuard(tolerance)] + ([ValueGuard(tolerance)] if both_ways else [])
        self._seen: dict[Side, Series] = {"baseline": Series(), "canary": Series()}

    def note(self, seen: Observation, value: float) -> None:
        self._seen[seen.side].add(seen.stratum, value)
        self._guards[0].add(seen.side, seen.stratum, value)
        if self._both_ways:
            self._guards[1].add(_other(seen.side), seen.stratum, value)

    @property
    def calls(self) -> int:
        return sum(series.calls for series in self._seen.values())

    @property
    def alarm_p(self) -> float:
        return min(1.0, len(self._guards) * min(guard.wager.p_value for guard in self._guards))

    def finding(self, alpha: float) -> Finding:
        baseline, canary = self._seen["baseline"].held(), self._seen["canary"].held()
        change = factor(baseline, canary)
        calls = min(series.calls for series in self._seen.values())
        if calls < self._limits.least_calls or change is None:
            return Finding(self.name, "insufficient data", f"{calls} calls at the one with the fewer", change)
        said = f"{change - 1:+.1%} over {calls} calls"
        grown = compare(_scaled(baseline, 1 + self._tolerance), canary)
        shrunk = compare(baseline, _scaled(canary, 1 + self._tolerance))
        if grown is None or shrunk is None:
            return Finding(self.name, "insufficient data", said, change)
        if grown.p_greater < alpha and grown.superiority >= _SMALL_EFFECT:
            said += f" (effect {grown.superiority:.2f} beyond the tolerance)"
            return Finding(self.name, "fail", f"{said}: {self._tolerance:.0%} are tolerated", change)
        if self._both_ways and shrunk.p_less < alpha and shrunk.superiority <= 1 - _SMALL_EFFECT:
            return Finding(self.name, "fail", f"{said}: {self._tolerance:.0%} are tolerated either way", change)
        doubt = 1 - self._limits.confidence
        if grown.p_less < doubt and (not self._both_ways or shrunk.p_greater < doubt):
            return Finding(self.name, "pass", said, change)
        return Finding(self.name, "insufficient data", f"{said}: not sure to be within {self._tolerance:.0%}", change)


def _scaled(series: list[tuple[Stratum, float]], by: float) -> list[tuple[Stratum, float]]:
    return [(stratum, value * by) for stratum, value in series]


def _other(side: Side) -> Side:
    return "canary" if side == "baseline" else "baseline"


def _share(events: int, calls: int) -> str:
    return f"{events} of {calls} ({events / calls:.1%})" if calls else "none yet"
