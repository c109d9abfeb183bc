"""What the judge watches call by call: events that should not grow more frequent, and values that should not grow.

Both feed a `Wager` with comparisons of calls that came at about the same time in the same stratum, so that a load that
comes and goes, and strata that are hit unevenly, are no evidence against either side.
"""

from __future__ import annotations

from collections import defaultdict, deque
from statistics import median

from forebay.release.judge.observation import Side, Stratum
from forebay.release.judge.wager import Wager

BLOCK = 8
MOST_WAITING = 512
"""Calls of one side that wait for their like: where a side has more, the oldest go. That depends on no outcome, so what
is left is as good a sample, and those that are compared came closer together."""


class EventGuard:
    """Whether an event's odds at the canary exceed `odds` times the baseline's.

    Calls are paired as they come. Only a pair of which one has the event says anything, and where both are equally
    likely to have it, it is the canary's every second time (the reasoning of McNemar's test).
    """

    def __init__(self, odds: float) -> None:
        self.wager = Wager(odds / (1 + odds))
        self._waiting: dict[Side, deque[bool]] = {
            "baseline": deque(maxlen=MOST_WAITING),
            "canary": deque(maxlen=MOST_WAITING),
        }

    def add(self, side: Side, _stratum: Stratum, event: bool) -> None:
        self._waiting[side].append(event)
        canary, baseline = self._waiting["canary"], self._waiting["baseline"]
        while canary and baseline:
            ours, theirs = canary.popleft(), baseline.popleft()
            if ours != theirs:
                self.wager.add(float(ours))


class ValueGuard:
    """Whether a value at the canary exceeds (1 + `tolerance_ratio`) times the baseline's.

    Medians of a few calls each are compared, not calls: calls of one moment resemble each other, and must not count as
    if each were news.
    """

    def __init__(self, tolerance_ratio: float) -> None:
        self.wager = Wager(0.5)
        self._factor = 1 + tolerance_ratio
        self._waiting: dict[tuple[Stratum, Side], list[float]] = defaultdict(list)

    def add(self, side: Side, stratum: Stratum, value: float) -> None:
        mine = self._waiting[stratum, side]
        mine.append(value)
        if len(mine) > MOST_WAITING:
            del mine[:BLOCK]
        canary, baseline = self._waiting[stratum, "canary"], self._waiting[stratum, "baseline"]
        while len(canary) >= BLOCK and len(baseline) >= BLOCK:
            ours, theirs = median(canary[:BLOCK]), median(baseline[:BLOCK]) * self._factor
            del canary[:BLOCK], baseline[:BLOCK]
            self.wager.add(0.5 if ours == theirs else float(ours > theirs))
