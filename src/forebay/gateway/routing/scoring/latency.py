"""Prefer the engine that answers soonest."""

from __future__ import annotations

from collections.abc import Sequence

from forebay.gateway.routing import Needs, Scorer, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.want import Want


def latency(_want: Want, engines: Sequence[Candidate], now: float) -> list[float]:
    """The best expected time to first token over this engine's: its moving average times the calls before this one.

    Streams alone tell a time to first token. An engine of which nothing is known is as good as the best, and what is
    known fades: a slow engine is tried again.
    """
    known = [each.ttft_s(now) for each in engines]
    unknown = min([ttft for ttft in known if ttft > 0], default=1.0)
    expected = [(ttft or unknown) * (1 + each.held()) for ttft, each in zip(known, engines, strict=True)]
    best = min(expected)
    return [best / each for each in expected]


scorers.add("latency")(Scorer(latency, Needs.TIMES))
