"""How many calls an engine is given at once, and how the others wait."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_CALLS, _WAIT, _EARLY = "gateway.queue.calls", "gateway.queue.wait", "gateway.queue.reject_early"
_PLACES = "engine.max_outstanding"
_LONG_WAIT_S = 60.0


@stages.add("admission")
def admission(at: Situation) -> Iterator[Change]:
    """A queue that holds what it refused; an engine that is given as much as it runs, or less where steps are slow."""
    if not at.space.through:
        return
    runs = at.setting.args.get("max-num-seqs", at.setting.args.get("max_sequences"))
    now = at.space.gateway_now(at.setting, _PLACES) or runs
    if isinstance(runs, int) and isinstance(now, int) and now < runs:
        why = f"the engine runs {runs} at once and is given {now}"
        yield Change(stage="admission", name=f"{runs} places", why=why, gateway={_PLACES: runs}, gain=1.3)
    if _refuses(at):
        yield from _queue(at)
    if isinstance(now, int):
        yield from _places(now, runs)


def _refuses(at: Situation) -> bool:
    return at.trial is not None and any(rung.rejected for rung in at.trial.rungs)


def _queue(at: Situation) -> Iterator[Change]:
    calls, wait_s = (at.space.gateway_now(at.setting, path) for path in (_CALLS, _WAIT))
    wanted: dict[str, object] = {}
    if calls < at.objective.most_concurrency:
        wanted[_CALLS] = at.objective.most_concurrency
    if wait_s < _LONG_WAIT_S:
        wanted[_WAIT] = _LONG_WAIT_S
    why = "calls were refused that an engine would have answered in time"
    if wanted:
        yield Change(stage="admission", name="longer queue", why=why, gateway=wanted, gain=1.2)
    if at.space.gateway_now(at.setting, _EARLY):
        why = "calls were refused because their wait was foreseen to be too long"
        yield Change(stage="admission", name="no early refusal", why=why, gateway={_EARLY: False}, gain=1.02)


def _places(now: int, runs: object) -> Iterator[Change]:
    # A little more than it runs: the next call lies there already when one ends.
    for places, why in ((now + max(1, now // 4), "the next call is there when one ends"), (now // 2, "faster steps")):
        if places >= 1 and places != runs:
            yield Change(stage="admission", name=f"{places} places", why=why, gateway={_PLACES: places}, gain=1.01)
