"""How much worse a canary may be before it counts, and how sure the judge must be."""

from __future__ import annotations

import msgspec


class Tolerance(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator allows; the defaults are what a user does not notice.

    `alpha` bounds, over all measures together, the chance that an equal canary is failed: half of it for the guard that
    looks after every call, half for the end of the step. `confidence` is asked of each measure before it passes.
    """

    ttft_ratio: float = 0.10
    itl_ratio: float = 0.10
    slow_odds: float = 1.5
    slow_rise: float = 0.02
    error_odds: float = 1.5
    error_rise: float = 0.01
    length_ratio: float = 0.15
    finish_odds: float = 2.0
    finish_rise: float = 0.05
    probe_odds: float = 1.5
    probe_rise: float = 0.02
    alpha: float = 0.02
    confidence: float = 0.95
    least_calls: int = 50
