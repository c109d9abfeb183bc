"""Prefer the engine with the smallest share of its places taken."""

from __future__ import annotations

from forebay.gateway.fleet import EngineSlot
from forebay.gateway.routing import policies


@policies.add("least_loaded")
def least_loaded(engine: EngineSlot) -> float:
    """Score of one engine, higher is better: the share of its places that is free.

    A share, not a count: an engine that can run 4 calls is fuller with 2 than one that can run 96 is with 10.
    """
    return -engine.outstanding / engine.ref.max_outstanding
