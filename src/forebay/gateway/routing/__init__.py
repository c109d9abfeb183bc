"""Which engine takes a call: filter, score, pick. One policy a file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from forebay.core.registry import Registry

if TYPE_CHECKING:
    from forebay.gateway.fleet import EngineSlot

Policy = Callable[["EngineSlot"], float]
policies: Registry[Policy] = Registry("routing policy")


def choose(engines: Iterable[EngineSlot], score: Policy, now: float, avoid: set[str]) -> EngineSlot | None:
    """Pick the best engine that has a place; None when none has.

    An engine in `avoid` has failed this very call: it is asked again only if there is no other at all.
    """
    best: EngineSlot | None = None
    best_score = float("-inf")
    for engine in engines:
        if engine.ref.name in avoid or not engine.has_place(now):
            continue
        value = score(engine)
        # Equals take turns: the one that has waited longest for a call.
        if value > best_score or (value == best_score and best is not None and engine.taken_at < best.taken_at):
            best, best_score = engine, value
    return best
