"""Prefer the engine that has most of the prompt in its cache."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.gateway.routing import Needs, Scorer, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.want import Want


def prefix(want: Want, engines: Sequence[Candidate], _now: float) -> list[float]:
    """The share of the prompt's blocks that this worker sent there before, as far as the engine's reports bear it out.

    It knows nothing of what other workers sent; `imbalance` keeps one hot prefix from taking one engine down.
    """
    blocks = want.blocks
    if not blocks:
        return [0.0] * len(engines)
    return [each.prefixes.trust * each.prefixes.matched(blocks) / len(blocks) for each in engines]


scorers.add("prefix")(Scorer(prefix, Needs.BLOCKS))
