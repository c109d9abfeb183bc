"""Where a run is steady: what to cut from its beginning, and whether the rest drifts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, median, stdev

_BATCH = 5
_LEAST = 40
_BINS = 20
_DRIFT = 1.3
_DRIFT_IN_TIME = 1.5
_SURE_PAIRS = 87
_WORTH_CUTTING = 0.1
_SURE_ERRORS = 4


def warm_until(series: Sequence[float]) -> int:
    """How many values of a series belong to its warm-up, by MSER-5: the cut after which the mean is surest.

    White (1997): of all truncations choose the one with the least squared standard error of what remains. At most a
    quarter is cut: a stall or a change half-way is no warm-up, and to cut it would flatter. `drifts` tells of those.
    """
    if len(series) < _LEAST:
        return 0
    means = [sum(series[at : at + _BATCH]) / _BATCH for at in range(0, len(series) - _BATCH + 1, _BATCH)]
    best, cut = math.inf, 0
    total = squares = 0.0
    errors: list[float] = [0.0] * len(means)
    for at in range(len(means) - 1, -1, -1):
        total += means[at]
        squares += means[at] ** 2
        left = len(means) - at
        errors[at] = max(0.0, squares - total * total / left) / left / left
    most = len(means) // 4
    for at in range(most + 1):
        if errors[at] < best * (1 - 1e-9):
            best, cut = errors[at], at
    # On a series that is steady from the start the rule still cuts here and there: that would only waste calls.
    if cut in (0, most):
        return 0
    rest = means[cut:]
    apart = abs(fmean(means[:cut]) - fmean(rest))
    worth = apart > max(_WORTH_CUTTING * fmean(rest), _SURE_ERRORS * stdev(rest) / math.sqrt(cut))
    return cut * _BATCH if worth else 0


def drifts(series: Sequence[float]) -> float | None:
    """By what factor the second half is above the first, where that is surely no noise; None where it is steady.

    Medians of 20 consecutive bins, the first ten against the last ten, by Mann and Whitney's rank sum: 87 of the 100
    pairs must point one way (p < 0.003). A trend and a step both do that; a few slow calls do not.
    """
    if len(series) < 2 * _BINS:
        return None
    edges = [len(series) * each // _BINS for each in range(_BINS + 1)]
    return _apart([median(series[begin:end]) for begin, end in pairwise(edges)], _DRIFT)


def drifts_in_time(spans: Sequence[tuple[float, float]]) -> float | None:
    """The same of a closed loop, from when each call began and ended, by equal parts of the time.

    Whoever waits long asks seldom: by calls, a second half of the time that was slow is a few late ones. A part is
    judged by all calls that are under way in it, which makes parts alike that lie side by side: more is asked of them.
    """
    if len(spans) < 2 * _BINS:
        return None
    begin, end = min(began for began, _ended in spans), max(began for began, _ended in spans)
    edges = [begin + (end - begin) * each / _BINS for each in range(_BINS + 1)]
    under_way = [
        [ended - began for began, ended in spans if began < high and ended > low] for low, high in pairwise(edges)
    ]
    return _apart([median(each) for each in under_way], _DRIFT_IN_TIME) if all(under_way) else None


def _apart(bins: Sequence[float], least: float) -> float | None:
    half = _BINS // 2
    first, second = median(bins[:half]), median(bins[half:])
    if first <= 0 or 1 / least < second / first < least:
        return None
    above = sum((later > earlier) + (later == earlier) / 2 for later in bins[half:] for earlier in bins[:half])
    return second / first if abs(above - half * half / 2) >= _SURE_PAIRS - half * half / 2 else None
