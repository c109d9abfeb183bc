"""Prefer the engine that has the call's adapter loaded."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.gateway.routing import Needs, Scorer, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.want import Want


def adapters(want: Want, engines: Sequence[Candidate], _now: float) -> list[float]:
    """1 where the adapter is among the last that this worker sent there, as many as the engine holds at once.

    Engines that do not list the adapter are no candidates at all.
    """
    return [1.0 if want.adapter in each.adapters else 0.0 for each in engines]


scorers.add("adapters")(Scorer(adapters, Needs.ADAPTER))
