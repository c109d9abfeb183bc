"""Prefer the engine with the fewest tokens before it."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.gateway.routing import Needs, Scorer, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.want import Want


def least_tokens(want: Want, engines: Sequence[Candidate], _now: float) -> list[float]:
    """The least outstanding tokens among the candidates over this engine's, the call's own included.

    Tokens, not requests: one 30k-token prompt delays the next call like a hundred short ones. The prompt is estimated,
    the answer taken at its longest: an engine's own count comes too late to choose by.
    """
    after = [each.held_tokens() + want.tokens + 1 for each in engines]
    least = min(after)
    return [least / each for each in after]


scorers.add("least_tokens")(Scorer(least_tokens, Needs.TOKENS))
