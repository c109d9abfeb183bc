"""Two rates compared: an interval for their difference that holds for rare events and small samples."""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()


def wilson(events: int, calls: int, confidence: float) -> tuple[float, float]:
    """Wilson's score interval for a rate, both ends at `confidence` one-sided."""
    if not calls:
        return 0.0, 1.0
    z = _NORMAL.inv_cdf(confidence)
    rate, spread = events / calls, z * z / calls
    centre = (rate + spread / 2) / (1 + spread)
    half = z * math.sqrt(rate * (1 - rate) / calls + spread / calls / 4) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)


def rise(first: tuple[int, int], second: tuple[int, int], confidence: float) -> tuple[float, float, float]:
    """The second rate less the first, between bounds: (low, estimate, high). Each is (events, calls).

    Newcombe's hybrid score interval ("Interval estimation for the difference between independent proportions", 1998,
    method 10).
    """
    rates = [events / calls if calls else 0.0 for events, calls in (first, second)]
    (low_1, high_1), (low_2, high_2) = wilson(*first, confidence), wilson(*second, confidence)
    estimate = rates[1] - rates[0]
    low = estimate - math.hypot(rates[1] - low_2, high_1 - rates[0])
    high = estimate + math.hypot(high_2 - rates[1], rates[0] - low_1)
    return low, estimate, high
