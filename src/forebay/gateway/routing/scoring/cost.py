"""Prefer the engine whose tokens are cheapest."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.gateway.routing import Scorer, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.want import Want


def cost(_want: Want, engines: Sequence[Candidate], _now: float) -> list[float]:
    """The lowest price among the candidates over this engine's; an engine without a price counts as free."""
    prices = [each.ref.routing.usd_per_million_tokens for each in engines]
    lowest = min(prices)
    return [1.0 if price == lowest else lowest / price for price in prices]


scorers.add("cost")(Scorer(cost))
