"""Which loads a trial measures, and the score that they give. Pure but for the measuring that it is handed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from forebay.tune.objective import Objective
from forebay.tune.trial import Rung, Score

MeasureAt = Callable[[int], Rung | None]
_STEP, _LONG_STEP = 1.5, 2.0
_FAR = 0.25
"""So little of what the bounds allow: the step may be long."""
_FLAT = 1.03
"""Less than this much more throughput from half as much load again: the engine is full."""
_NEAR = 1.15
"""Loads that are no further apart than this are not worth another between them."""


def explore(
    measure_at: MeasureAt, objective: Objective, *, first: Sequence[int], begin: int, most: int, near: bool = False
) -> list[Rung]:
    """Measure the loads `first`, then search from `begin` for the highest one that keeps the bounds.

    Upwards while they hold and throughput grows, downwards until they hold, then between the last load that keeps them
    and the first that does not. `near`: the best is known, and one neighbour of it is enough. At most `most` loads;
    `measure_at` returns None when there is no time for another.
    """
    found: dict[int, Rung] = {}
    if near:
        most = min(most, len({*first, begin}) + 1)

    def measured(concurrency: int) -> Rung | None:
        if concurrency not in found:
            rung = measure_at(concurrency) if len(found) < most else None
            if rung is None:
                return None
            found[concurrency] = rung
        return found[concurrency]

    for concurrency in first:
        measured(concurrency)
    if objective.goal == "latency":
        measured(objective.concurrency)
        return list(found.values())
    rung = measured(begin)
    if rung is not None and rung.keeps:
        _upwards(measured, rung, objective.most_concurrency, near=near)
    elif rung is not None:
        _downwards(measured, rung, found, near=near)
    _between(measured, found)
    return sorted(found.values(), key=lambda each: each.concurrency)


def score(rungs: Sequence[Rung], objective: Objective) -> Score:
    """One figure, greater is better.

    For `latency` the inverse of P99, in 1/s. For `throughput` the tokens a second at which the bounds are just kept:
    between the greatest load that keeps them and the next it is interpolated in the logarithm of the pressure, so that
    a load that falls a hair to either side does not change the score by the step between loads.
    Not where the next one refused or failed requests: what it did with the others says nothing of all.
    """
    if objective.goal == "latency":
        rung = max(rungs, key=lambda each: each.concurrency)
        return Score(
            value=1000 / max(rung.e2e_p99_ms, 1e-3), sd=rung.latency_sd, kept=rung.keeps, concurrency=rung.concurrency
        )
    ordered = sorted(rungs, key=lambda each: each.concurrency)
    kept = [rung for rung in ordered if rung.keeps]
    if not kept:
        least = min(ordered, key=lambda each: each.pressure)
        # Beyond its bounds, and where it refuses, a setting is worth less the further it is: the way back can be seen.
        answered = 1 - least.failed / least.sent if least.sent else 1.0
        value = least.steady_tokens_per_s * answered / max(least.pressure, 1.0) ** 2
        return Score(value=value, sd=least.tokens_sd, kept=False, concurrency=least.concurrency)
    best = max(kept, key=lambda each: each.steady_tokens_per_s)
    above = next((each for each in ordered if each.concurrency > best.concurrency and not each.keeps), None)
    value = best.steady_tokens_per_s
    goes_on = above is not None and not above.failed and 0 < best.pressure < above.pressure
    if above is not None and goes_on and above.steady_tokens_per_s > value:
        part = math.log(1 / best.pressure) / math.log(above.pressure / best.pressure)
        value *= (above.steady_tokens_per_s / value) ** min(max(part, 0.0), 1.0)
    return Score(value=value, sd=best.tokens_sd, kept=True, concurrency=best.concurrency)


def _upwards(measured: MeasureAt, rung: Rung, most_concurrency: int, *, near: bool) -> None:
    while rung.concurrency < most_concurrency:
        step = _NEAR if near else _LONG_STEP if 0 < rung.pressure < _FAR else _STEP
        higher = measured(min(most_concurrency, max(_rounded(rung.concurrency * step), rung.concurrency + 1)))
        if higher is None or not higher.keeps or higher.steady_tokens_per_s < rung.steady_tokens_per_s * _FLAT:
            return
        rung = higher


def _downwards(measured: MeasureAt, rung: Rung, found: Mapping[int, Rung], *, near: bool) -> None:
    """Until a load below keeps the bounds; one that was measured before is as good."""
    while rung.concurrency > 1 and not rung.keeps and (near or not any(each.keeps for each in found.values())):
        lower = measured(min(_rounded(rung.concurrency / (_NEAR if near else _LONG_STEP)), rung.concurrency - 1))
        if lower is None:
            return
        rung = lower


def _between(measured: MeasureAt, found: Mapping[int, Rung]) -> None:
    """Halve what lies between the highest load that keeps the bounds and the first above it that does not."""
    while True:
        kept = max((each for each in found.values() if each.keeps), key=lambda each: each.concurrency, default=None)
        if kept is None:
            return
        above = [each for each in found.values() if each.concurrency > kept.concurrency]
        broken = min(above, key=lambda each: each.concurrency, default=None)
        if broken is None or broken.concurrency <= _NEAR * kept.concurrency or _is_full(kept, broken):
            return
        middle = _middle(kept, broken)
        if not kept.concurrency < middle < broken.concurrency or measured(middle) is None:
            return


def _middle(kept: Rung, broken: Rung) -> int:
    """Where the pressure would reach its bound if it grew evenly in logarithms, but not near either end.

    Time to the first token stays low and then rises at once: the guess alone would close in from one side.
    """
    part = 0.5
    if not broken.failed and 0 < kept.pressure < 1 < broken.pressure:
        part = min(max(math.log(1 / kept.pressure) / math.log(broken.pressure / kept.pressure), 0.25), 0.75)
    return _rounded(kept.concurrency * (broken.concurrency / kept.concurrency) ** part)


def _is_full(kept: Rung, broken: Rung) -> bool:
    """Whether not even the load that breaks the bounds has more throughput: there is nothing to win between."""
    return not broken.failed and broken.steady_tokens_per_s < kept.steady_tokens_per_s * _FLAT


def _rounded(concurrency: float) -> int:
    """To a multiple of 8 where it is large: sizes that graphs are captured for."""
    return max(1, round(concurrency / 8) * 8) if concurrency >= 16 else max(1, round(concurrency))
