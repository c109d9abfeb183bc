"""How much two starts of one setting differ by chance, and whether a difference is more than that."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Literal

import msgspec

from forebay.tune.stats import student_cdf, student_quantile
from forebay.tune.trial import Score, Trial

PRIOR_SD = 0.03
"""Starts of one setting of vLLM differ by 1 to 3 % in throughput; repeats of the ladder itself tell more.

Until then it counts like `PRIOR_FREEDOM` of them.
"""
PRIOR_FREEDOM = 6.0

Verdict = Literal["better", "worse", "unclear"]


class Noise(msgspec.Struct, frozen=True):
    """The standard deviation of the logarithm of scores between starts, and the degrees of freedom behind it."""

    sd: float = PRIOR_SD
    freedom: float = PRIOR_FREEDOM


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How the second setting stands to the first: a ratio of scores, its interval, and the one-sided p of no gain."""

    gain: float
    low: float
    high: float
    p: float

    def verdict(self, alpha: float) -> Verdict:
        if self.p < alpha:
            return "better"
        return "worse" if 1 - self.p < alpha else "unclear"


def noise_of(trials: Iterable[Trial]) -> Noise:
    """Pooled over all settings that were started more than once, the assumption from experience included."""
    groups: dict[str, list[float]] = defaultdict(list)
    for trial in trials:
        if trial.score is not None and trial.score.value > 0:
            groups[trial.setting.digest].append(math.log(trial.score.value))
    squares, freedom = PRIOR_FREEDOM * PRIOR_SD**2, PRIOR_FREEDOM
    for logs in groups.values():
        middle = fmean(logs)
        squares += sum((each - middle) ** 2 for each in logs)
        freedom += len(logs) - 1
    return Noise(math.sqrt(squares / freedom), freedom)


def difference(first: Sequence[Score], second: Sequence[Score], noise: Noise, confidence: float = 0.95) -> Difference:
    """Student's comparison of the means of log scores, each start one piece of news.

    What a start's own run shows of its noise is added where it is more than starts differ by: short runs say little.
    """
    middle = _mean(second) - _mean(first)
    error = math.sqrt(_variance(first, noise) + _variance(second, noise))
    half = student_quantile((1 + confidence) / 2, noise.freedom) * error
    p = student_cdf(-middle / error, noise.freedom)
    return Difference(gain=math.exp(middle), low=math.exp(middle - half), high=math.exp(middle + half), p=p)


def _mean(scores: Sequence[Score]) -> float:
    return fmean(math.log(max(score.value, 1e-12)) for score in scores)


def _variance(scores: Sequence[Score], noise: Noise) -> float:
    return sum(max(noise.sd, score.sd) ** 2 for score in scores) / len(scores) ** 2
