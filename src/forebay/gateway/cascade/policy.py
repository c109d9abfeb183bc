"""What a snapshot says about a cascade: values a model holds, absent where it has none."""

from __future__ import annotations

import msgspec


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer must show: least mean log-probability, least probability of yes. None: not looked at."""

    mean_logprob: float | None = None
    self_check: float | None = None


class CascadePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Who answers first and what is enough. `saturated`: what is while the model itself has no place free."""

    first: str
    bounds: Bounds = Bounds()
    valid_json: bool = True
    waiting: int = 8
    wait_s: float = 1.0
    longest_s: float = 30.0
    saturated: Bounds | None = None
    sample_ratio: float = 0.0
