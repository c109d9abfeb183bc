"""How sure a figure is, from a series in which neighbours resemble each other.

Calls of one moment share one queue: taken for independent, they make intervals several times too narrow. The series is
cut into consecutive batches (Schmeiser's advice: 10 to 30 of them), and whole batches are drawn again and again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from statistics import fmean, stdev

from forebay.tune.report.histogram import bucket, middle_us

BATCHES = 30
_RESAMPLES = 400
_LEAST = 8
# Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom.
_T95 = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131),
    *(2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)
Interval = tuple[float, float]


def quantile(ordered: Sequence[float], share: float) -> float:
    """Of sorted values: the least that `share` of them do not exceed; NaN where there are none."""
    if not ordered:
        return math.nan
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def bootstrap(series: Sequence[float], shares: Sequence[float], seed: int = 1) -> list[Interval | None]:
    """95 % intervals of quantiles and, for a share of -1, of the mean; None where the tail holds too few values."""
    if len(series) < _LEAST:
        return [None] * len(shares)
    found = resampled(series, shares, seed)
    enough = [share < 0 or len(series) * min(share, 1 - share) >= 1 for share in shares]
    return [_middle(sorted(kept)) if fine else None for kept, fine in zip(found, enough, strict=True)]


def resampled(series: Sequence[float], shares: Sequence[float], seed: int = 1) -> list[list[float]]:
    """For each share its estimates from series drawn anew, batch by batch."""
    batches = _batches(series)
    sizes = [sum(batch.values()) for batch in batches]
    # By value, who holds how many of it: a draw is then a weight for each batch, and one walk finds every quantile.
    holders = [
        (middle_us(index) / 1000, [(at, batch[index]) for at, batch in enumerate(batches) if index in batch])
        for index in sorted({index for batch in batches for index in batch})
    ]
    chance, places = Random(seed), range(len(batches))
    found: list[list[float]] = [[] for _ in shares]
    for _ in range(_RESAMPLES):
        weights = [0] * len(batches)
        for place in chance.choices(places, k=len(batches)):
            weights[place] += 1
        drawn = [(value, sum([weights[at] * count for at, count in held])) for value, held in holders]
        total = sum(weight * size for weight, size in zip(weights, sizes, strict=True))
        for kept, share in zip(found, shares, strict=True):
            kept.append(_quantile(drawn, share * total) if share >= 0 else sum(v * n for v, n in drawn) / total)
    return found


def batch_means(values: Sequence[float]) -> Interval | None:
    """95 % interval of the mean of rates over equal spans of time, which are batches themselves; never below 0."""
    if len(values) < 3:
        return None
    degrees = len(values) - 1
    reach = (_T95[degrees - 1] if degrees <= len(_T95) else 1.96) * stdev(values) / math.sqrt(len(values))
    return max(0.0, fmean(values) - reach), fmean(values) + reach


def _batches(series: Sequence[float]) -> list[dict[int, int]]:
    """The series cut into consecutive batches of nearly equal size, each as counts by bucket."""
    number = min(BATCHES, len(series))
    edges = [len(series) * each // number for each in range(number + 1)]
    batches = []
    for begin, end in pairwise(edges):
        counts: dict[int, int] = {}
        for value in series[begin:end]:
            index = bucket(max(0, round(value * 1000)))
            counts[index] = counts.get(index, 0) + 1
        batches.append(counts)
    return batches


def _quantile(drawn: Sequence[tuple[float, int]], wanted: float) -> float:
    seen = 0
    for value, count in drawn:
        seen += count
        if seen >= wanted and count:
            return value
    return drawn[-1][0]


def _middle(ordered: list[float]) -> Interval:
    return quantile(ordered, 0.025), quantile(ordered, 0.975)
