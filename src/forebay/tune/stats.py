"""Statistics of few and noisy figures: intervals by bootstrap and by Student's t, Mann and Whitney's test, effects.

Written out, for the machines that are tuned need not have scipy; the tests compare every figure with scipy's.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from statistics import fmean, variance

import msgspec

from forebay.release.judge.observation import stratum
from forebay.release.judge.ranks import compare as compare_ranks

Statistic = Callable[[Sequence[float]], float]
_ALL = stratum(1)
_TINY = 1e-300


class Estimate(msgspec.Struct, frozen=True):
    """A value and the interval that holds the true one with the stated confidence."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


def bootstrap(
    values: Sequence[float],
    statistic: Statistic = fmean,
    *,
    confidence: float = 0.95,
    block: int = 1,
    resamples: int = 2000,
    seed: int = 1,
) -> Estimate:
    """Percentile bootstrap; `block` neighbours are drawn together where they resemble each other (moving blocks)."""
    if not values:
        raise ValueError("no values to resample")
    dice = random.Random(seed)
    count, block = len(values), max(1, min(block, len(values)))
    starts = range(count - block + 1)
    drawn = []
    for _round in range(resamples):
        sample: list[float] = []
        while len(sample) < count:
            first = dice.choice(starts)
            sample += values[first : first + block]
        drawn.append(statistic(sample[:count]))
    drawn.sort()
    tail = (1 - confidence) / 2
    return Estimate(statistic(values), _at(drawn, tail), _at(drawn, 1 - tail), confidence)


def paired(first: Sequence[float], second: Sequence[float], *, confidence: float = 0.95) -> Estimate:
    """By what ratio the second exceeds the first, pair by pair: Student's interval of the mean of log ratios."""
    if len(first) != len(second) or len(first) < 2:
        raise ValueError("pairs are needed, two at the least")
    logs = [math.log(b / a) for a, b in zip(first, second, strict=True)]
    half = student_quantile((1 + confidence) / 2, len(logs) - 1) * math.sqrt(variance(logs) / len(logs))
    middle = fmean(logs)
    return Estimate(math.exp(middle), math.exp(middle - half), math.exp(middle + half), confidence)


def superiority(first: Sequence[float], second: Sequence[float]) -> float:
    """The chance that a value of the second exceeds one of the first (Vargha and Delaney's A12), as releases judge."""
    found = compare_ranks([(_ALL, each) for each in first], [(_ALL, each) for each in second])
    if found is None:
        raise ValueError("both samples need two values")
    return found.superiority


def student_cdf(t: float, freedom: float) -> float:
    """The distribution function of Student's t."""
    square = t * t / (freedom + t * t)  # near 0 the other form of it would be lost in rounding to 1
    half = 0.5 * _incomplete_beta(0.5, freedom / 2, square)
    return 0.5 + math.copysign(half, t)


def student_quantile(chance: float, freedom: float) -> float:
    """Below this, a t lies with that chance; by bisection, for it is asked seldom."""
    low, high = -1.0, 1.0
    while student_cdf(low, freedom) > chance:
        low *= 2
    while student_cdf(high, freedom) < chance:
        high *= 2
    for _round in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, freedom) < chance else (low, middle)
    return (low + high) / 2


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by Lentz's continued fraction (DLMF 8.17.22)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(1 - x)) / a
    c, d = 1.0, 1 / _apart(1 - (a + b) * x / (a + 1))
    total = d
    for m in range(1, 300):
        for part in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _apart(1 + part * d)
            c = _apart(1 + part / c)
            total *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return front * total


def _apart(value: float) -> float:
    return value if abs(value) > _TINY else _TINY


def _at(ordered: Sequence[float], share: float) -> float:
    """The value at that share, linearly between neighbours."""
    place = share * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
