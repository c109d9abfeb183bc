"""How one model's calls are routed, as the snapshot carries it."""

from __future__ import annotations

import msgspec


class RoutingPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Scorers with their weights, how one engine is picked, and how far affinity may overload it.

    `imbalance`: the load of an engine may be this many times its fair share, see `choice`.
    """

    scorers: dict[str, float]
    pick: str = "best"
    imbalance: float = 1.5


class BreakerPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When an engine is ejected: so many failures, and such a share of its calls, within the window."""

    enabled: bool = True
    window_s: float = 10.0
    failures: int = 5
    failure_ratio: float = 0.5
    open_s: float = 5.0
    longest_s: float = 60.0
    max_ejected_ratio: float = 0.5
