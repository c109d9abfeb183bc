"""A rollout as `forebay status` tells it."""

from __future__ import annotations

from forebay.controller.rolling import Rolling
from forebay.controller.status import EffectStatus, LaneStatus, RolloutStatus
from forebay.controller.watching import Watch
from forebay.release.rollout.bench import told
from forebay.release.rollout.lanes import lanes
from forebay.release.rollout.state import Rollout
from forebay.release.running import Change


def rollout_status(change: Change, rolling: Rolling) -> RolloutStatus | None:
    """None for a change that is no rollout."""
    rollout = change.rollout
    if rollout is None:
        return None
    watch = rolling.watch if rolling.under_way is not None else None
    return RolloutStatus(
        strategy=rollout.strategy,
        stage=_stage(change, rollout),
        step=rollout.step + 1,
        steps=len(rollout.steps),
        share_ratio=rollout.now.share_ratio if rollout.step_at else 0.0,
        step_ends_at=rollout.step_at + rollout.now.lasts_s if rollout.step_at else None,
        held=rollout.held,
        cause=rollout.cause,
        no_baseline=rollout.no_baseline,
        lanes=_lanes(rollout, rolling, watch),
        outcome="" if watch is None or watch.ruling is None else watch.ruling.outcome,
        figures=() if watch is None else _figures(watch),
        effects=() if watch is None else _effects(watch),
    )


def _stage(change: Change, rollout: Rollout) -> str:
    if change.phase == "back":
        return "back"
    if change.slots is None:
        return "promoting"
    if rollout.paused:
        return "paused"
    if rollout.held:
        return "held"
    return "watching" if rollout.step_at else "starting"


def _lanes(rollout: Rollout, rolling: Rolling, watch: Watch | None) -> tuple[LaneStatus, ...]:
    calls = {} if watch is None else watch.bench.calls
    return tuple(
        LaneStatus(
            model=model,
            canary=lane.canary,
            baseline=lane.baseline,
            canary_calls=calls.get(model, (0, 0))[0],
            baseline_calls=calls.get(model, (0, 0))[1],
        )
        for model, lane in lanes(rollout, rolling.canaries).items()
    )


def _figures(watch: Watch) -> tuple[str, ...]:
    ruled = () if watch.ruling is None else watch.ruling.figures
    return (*ruled, *(f"{model}: {told(each)}" for model, each in watch.quality.items()))


def _effects(watch: Watch) -> tuple[EffectStatus, ...]:
    return tuple(
        EffectStatus(
            model=model, measure=each.measure, change=each.change, size=each.size, p=each.p, text=f"{model}: {each}"
        )
        for model, found in watch.effects.items()
        for each in found
    )
