"""Which loads a trial measures, and the score that they give. Pure but for the measuring that it is handed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from forebay.tune.objective import Objective
from forebay.tune.trial import Rung, Score

MeasureAt = Callable[[int], Rung | None]
_STEP = 1.5
_FLAT = 1.03
"""Less than this much more throughput from half as much load again: the engine is full."""


def explore(measure_at: MeasureAt, objective: Objective, *, first: Sequence[int], begin: int, most: int) -> list[Rung]:
    """Measure the loads `first`, then from `begin` upwards while the bounds hold and throughput grows, else downwards.

    At most `most` loads; `measure_at` returns None when there is no time for another.
    """
    found: dict[int, Rung] = {}

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
    if rung is None:
        return sorted(found.values(), key=lambda each: each.concurrency)
    if rung.keeps:
        _upwards(measured, rung, objective.most_concurrency)
    else:
        _downwards(measured, rung)
    return sorted(found.values(), key=lambda each: each.concurrency)


def score(rungs: Sequence[Rung], objective: Objective) -> Score:
    """One figure, greater is better.

    For `latency` the inverse of P99, in 1/s. For `throughput` the tokens a second at which the bounds are just kept:
    between the greatest load that keeps them and the next it is interpolated in the logarithm of the pressure, so that
    a load that falls a hair to either side does not change the score by the step between loads.
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
    if above is not None and 0 < best.pressure < above.pressure and above.steady_tokens_per_s > value:
        part = math.log(1 / best.pressure) / math.log(above.pressure / best.pressure)
        value *= (above.steady_tokens_per_s / value) ** min(max(part, 0.0), 1.0)
    return Score(value=value, sd=best.tokens_sd, kept=True, concurrency=best.concurrency)


def _upwards(measured: MeasureAt, rung: Rung, most_concurrency: int) -> None:
    while rung.concurrency < most_concurrency:
        higher = measured(min(most_concurrency, _rounded(rung.concurrency * _STEP)))
        if higher is None or not higher.keeps or higher.steady_tokens_per_s < rung.steady_tokens_per_s * _FLAT:
            return
        rung = higher


def _downwards(measured: MeasureAt, rung: Rung) -> None:
    while rung.concurrency > 1:
        lower = measured(max(1, _rounded(rung.concurrency / _STEP)))
        if lower is None or lower.keeps:
            return
        rung = lower


def _rounded(concurrency: float) -> int:
    """To a multiple of 8 where it is large: sizes that graphs are captured for."""
    return max(1, round(concurrency / 8) * 8) if concurrency >= 16 else max(1, round(concurrency))
