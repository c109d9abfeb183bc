"""Take one engine after another."""

from __future__ import annotations

from forebay.gateway.routing import Picker, pickers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.choice import Group
from forebay.gateway.routing.want import Want


def turn(_group: Group[Candidate], engines: list[Candidate], _want: Want, _now: float) -> Candidate:
    """The engine that has waited longest, scores aside."""
    return min(engines, key=lambda each: each.taken_at)


pickers.add("turn")(Picker(turn, scores=False))
