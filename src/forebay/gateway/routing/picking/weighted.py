"""Split calls among engines by their weights, for canaries."""

from __future__ import annotations

from forebay.gateway.routing import Needs, Picker, pickers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.choice import Group
from forebay.gateway.routing.want import Want


def weighted(_group: Group[Candidate], engines: list[Candidate], want: Want, _now: float) -> Candidate:
    """Exact over time and as even as can be (nginx's smooth weighted round robin), scores aside.

    A call that asks for it is split by its request id or session: the same one always goes the same way.
    """
    total = sum([each.ref.routing.weight for each in engines])
    if total == 0:
        return min(engines, key=lambda each: each.taken_at)
    if want.split >= 0:
        return _by_digest(engines, want.split / 2**64 * total)
    for each in engines:
        each.split += each.ref.routing.weight
    taken = max(engines, key=lambda each: each.split)
    taken.split -= total
    return taken


def _by_digest(engines: list[Candidate], point: float) -> Candidate:
    ordered = sorted(engines, key=lambda each: each.ref.name)  # the same in every worker
    for each in ordered:
        point -= each.ref.routing.weight
        if point < 0:
            return each
    return ordered[-1]


pickers.add("weighted")(Picker(weighted, scores=False, needs=Needs.SPLIT))
