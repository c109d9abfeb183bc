"""Take the better of two engines drawn by lot."""

from __future__ import annotations

from forebay.gateway.routing import Picker, pickers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.choice import Group
from forebay.gateway.routing.want import Want


def power_of_two(group: Group[Candidate], engines: list[Candidate], want: Want, now: float) -> Candidate:
    """Workers that see the same loads a little late do not all run to the same engine, and two scores cost less."""
    first = group.draw(len(engines))
    second = group.draw(len(engines) - 1)
    pair = [engines[first], engines[second + (second >= first)]]
    scores = group.plan.scores(want, pair, now)
    return pair[0] if scores[0] >= scores[1] else pair[1]


pickers.add("power_of_two")(Picker(power_of_two))
