"""Take the engine with the highest score."""

from __future__ import annotations

from forebay.gateway.routing import Picker, pickers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.choice import Group
from forebay.gateway.routing.want import Want


def best(group: Group[Candidate], engines: list[Candidate], want: Want, now: float) -> Candidate:
    """The highest score; equals take turns."""
    scores = group.plan.scores(want, engines, now)
    highest = max(scores)
    if scores.count(highest) == 1:
        return engines[scores.index(highest)]
    equals = [each for each, score in zip(engines, scores, strict=True) if score == highest]
    return min(equals, key=lambda each: each.taken_at)


pickers.add("best")(Picker(best))
