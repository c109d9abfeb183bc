"""Answers that need not be generated twice."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_EXACT, _SINGLE_FLIGHT = "model.cache.exact", "model.cache.single_flight"


@stages.add("caches")
def caches(at: Situation) -> Iterator[Change]:
    """The exact cache and one generation for equal calls at one time, where the load repeats itself."""
    share = at.objective.repeat_share
    if not at.space.through or share <= 0:
        return
    exact, single = (at.space.gateway_now(at.setting, path) for path in (_EXACT, _SINGLE_FLIGHT))
    why = f"{share:.0%} of the requests have been asked before"
    if not exact:
        gain = 1 + share
        yield Change(stage="caches", name="exact cache", why=why, gateway={_EXACT: True}, gain=gain)
    if not single:
        why = "equal requests at one time wait for one answer"
        gain = 1 + share / 10
        yield Change(stage="caches", name="single flight", why=why, gateway={_SINGLE_FLIGHT: True}, gain=gain)
