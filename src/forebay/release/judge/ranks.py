"""Two samples compared by ranks: Mann-Whitney over strata, the effect's size, and by what factor they differ."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import NormalDist, median

import msgspec

from forebay.release.judge.observation import Stratum

Series = Sequence[tuple[Stratum, float]]
_NORMAL = NormalDist()
_PAIRS = 40_000
_LAGS = 30


class Comparison(msgspec.Struct, frozen=True):
    """How the second sample stands to the first.

    `superiority` is the chance that a value of the second exceeds one of the first, ties half (Vargha and Delaney's
    A12: 0.5 no difference, 0.56 small, 0.64 medium, 0.71 large). `p_greater` and `p_less` are one-sided.
    """

    superiority: float
    p_greater: float
    p_less: float


def compare(first: Series, second: Series) -> Comparison | None:
    """Compare two series, each in the order of time, within strata; None where no stratum has two values of both.

    In one stratum the statistic is U / (m n). Its variance is Brunner and Munzel's, which unlike Mann and Whitney's own
    also holds where the two spread unequally, plus what neighbours in time have in common (Newey and West, 30 calls):
    slow moments come in rows, and a row is not as many pieces of news as it has calls.
    """
    ours, theirs = _by_stratum(second), _by_stratum(first)
    both = [key for key in ours if len(ours[key]) > 1 and len(theirs.get(key, ())) > 1]
    weights = {key: len(ours[key]) * len(theirs[key]) / (len(ours[key]) + len(theirs[key])) for key in both}
    total = sum(weights.values())
    if not total:
        return None
    above = {key: _placements(ours[key], sorted(theirs[key])) for key in both}
    below = {key: _placements(theirs[key], sorted(ours[key])) for key in both}
    superiority = sum(weights[key] * _mean(above[key]) for key in both) / total
    variance = sum(
        _variance(_influences(series, placements, weights)) for series, placements in ((second, above), (first, below))
    )
    # No overlap at all leaves no spread to estimate: half a pair of doubt stands for it.
    deviation = max(math.sqrt(variance) / total, 0.5 / total / math.sqrt(2 * total))
    z = (superiority - 0.5) / deviation
    return Comparison(superiority, 1 - _NORMAL.cdf(z), _NORMAL.cdf(z))


def factor(first: Series, second: Series) -> float | None:
    """By what factor the second is greater: the median ratio over pairs within strata (Hodges and Lehmann, of logs)."""
    ours, theirs = _by_stratum(second), _by_stratum(first)
    ratios: list[float] = []
    for key in ours.keys() & theirs.keys():
        ratios += [b / a for a in _thinned(theirs[key]) for b in _thinned(ours[key]) if a > 0]
    return median(ratios) if ratios else None


def _by_stratum(series: Series) -> dict[Stratum, list[float]]:
    found: dict[Stratum, list[float]] = defaultdict(list)
    for stratum, value in series:
        found[stratum].append(value)
    return found


def _placements(values: Sequence[float], others: Sequence[float]) -> list[float]:
    """For each value the share of `others` (sorted) that lie below it, ties half."""
    count = 2 * len(others)
    return [(bisect_left(others, value) + bisect_right(others, value)) / count for value in values]


def _influences(series: Series, placements: dict[Stratum, list[float]], weights: dict[Stratum, float]) -> list[float]:
    """What each call, in the order of time, adds to the weighted sum beyond its stratum's mean."""
    means = {key: _mean(values) for key, values in placements.items()}
    left = {key: iter(values) for key, values in placements.items()}
    scale = {key: weights[key] / math.sqrt(len(values) * (len(values) - 1)) for key, values in placements.items()}
    return [scale[key] * (next(left[key]) - means[key]) for key, _value in series if key in placements]


def _variance(influences: Sequence[float]) -> float:
    alone = sum(value * value for value in influences)
    lags = min(_LAGS, len(influences) // 4)
    common = sum(
        (1 - lag / (lags + 1)) * sum(a * b for a, b in zip(influences, influences[lag:], strict=False))
        for lag in range(1, lags + 1)
    )
    return alone + 2 * max(0.0, common)


def _mean(values: Iterable[float]) -> float:
    held = list(values)
    return sum(held) / len(held)


def _thinned(values: Sequence[float]) -> Sequence[float]:
    """At most so many, evenly over the sorted values, that the pairs stay countable."""
    most = math.isqrt(_PAIRS)
    if len(values) <= most:
        return values
    ordered = sorted(values)
    return [ordered[index * len(ordered) // most] for index in range(most)]
