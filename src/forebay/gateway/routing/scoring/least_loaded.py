"""Prefer the engine with the smallest share of its places taken."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.gateway.routing import Scorer, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.want import Want


def least_loaded(_want: Want, engines: Sequence[Candidate], _now: float) -> list[float]:
    """The share of an engine's places that is free.

    A share, not a count: an engine that can run 4 calls is fuller with 2 than one that can run 96 is with 10.
    """
    return [1 - each.outstanding / each.ref.max_outstanding for each in engines]


scorers.add("least_loaded")(Scorer(least_loaded))
