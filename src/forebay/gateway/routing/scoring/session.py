"""Prefer one engine for all calls of a session, the same in every worker, also when engines come and go."""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from forebay.gateway.routing import Needs, Scorer, scorers
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.want import Want

_MASK = 2**64 - 1


def session(want: Want, engines: Sequence[Candidate], _now: float) -> list[float]:
    """1 for the session's own engine, nothing for the others.

    Weighted rendezvous hashing: an engine that comes takes its share of the sessions and moves no other. An engine
    over its bound is no candidate (see `choice`), so the session's next one takes the call: consistent hashing with
    bounded loads.
    """
    if want.session < 0:
        return [0.0] * len(engines)
    # w / -ln(u), the larger the better: the chance of being the largest is proportionate to the weight w.
    ranks = [each.ref.routing.weight / -log(_mixed(want.session ^ each.seed)) for each in engines]
    best = max(ranks)
    return [1.0 if rank == best else 0.0 for rank in ranks]


def _mixed(number: int) -> float:
    """Between 0 and 1, both excluded: the finaliser of splitmix64, which spreads any change over all bits."""
    number = (number ^ (number >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ (number >> 27)) * 0x94D049BB133111EB & _MASK
    return ((number ^ (number >> 31)) + 0.5) / 2**64


scorers.add("session")(Scorer(session, Needs.SESSION))
