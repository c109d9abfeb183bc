"""Prefer the engine that has waited longest for a call."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.gateway.routing import Scorer, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.want import Want


def round_robin(_want: Want, engines: Sequence[Candidate], _now: float) -> list[float]:
    """From 1 for the engine taken longest ago down to nothing for the one taken last, by order alone."""
    if len(engines) == 1:
        return [1.0]
    order = sorted(range(len(engines)), key=lambda index: engines[index].taken_at)
    found = [0.0] * len(engines)
    for rank, index in enumerate(order):
        found[index] = 1 - rank / (len(engines) - 1)
    return found


scorers.add("round_robin")(Scorer(round_robin))
