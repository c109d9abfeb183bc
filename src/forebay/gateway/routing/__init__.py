"""Which engine takes a call: filter, score, pick. One scorer and one picker a file; all of it is pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntFlag
from functools import cache
from typing import TYPE_CHECKING

import msgspec

from forebay.core.registry import Registry

if TYPE_CHECKING:
    from forebay.gateway.routing.candidate import Candidate
    from forebay.gateway.routing.choice import Group
    from forebay.gateway.routing.want import Want


class Needs(IntFlag):
    """What a policy must be told of a call; what no policy in force needs is not worked out."""

    NOTHING = 0
    TOKENS = 1
    BLOCKS = 2
    SESSION = 4
    TIMES = 8
    ADAPTER = 16
    SPLIT = 32


Score = Callable[["Want", Sequence["Candidate"], float], list[float]]
Pick = Callable[["Group[Candidate]", list["Candidate"], "Want", float], "Candidate"]


class Scorer(msgspec.Struct, frozen=True):
    """One view of which engine is best: a number from 0 to 1 for each candidate, higher is better.

    `score` gets the call, the candidates (never none) and the time in monotonic seconds.
    """

    score: Score
    needs: Needs = Needs.NOTHING


class Picker(msgspec.Struct, frozen=True):
    """How one candidate is taken; `scores` tells whether it looks at scores at all."""

    pick: Pick
    scores: bool = True
    needs: Needs = Needs.NOTHING


scorers: Registry[Scorer] = Registry("routing scorer")
pickers: Registry[Picker] = Registry("routing picker")


@cache
def load() -> None:
    """Fill both registries, once."""
    scorers.load("forebay.gateway.routing.scoring")
    pickers.load("forebay.gateway.routing.picking")
