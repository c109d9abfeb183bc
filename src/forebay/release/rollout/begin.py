"""Which engines a rollout puts beside which, and whether it can be made at all. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from forebay.config.schema.rollout import Rollout as Plan
from forebay.core.errors import RunError
from forebay.engines.spec import EngineSpec
from forebay.messages import _
from forebay.release.rollout.state import Probe, Rollout, Step, Strategy, baseline_of
from forebay.release.strategy import has_room

_DEFAULT_STEPS: dict[Strategy, tuple[Step, ...]] = {
    "canary": (Step(0.05, 600.0, 50), Step(0.25, 600.0, 50), Step(0.5, 600.0, 50)),
    "shadow": (Step(0.1, 1800.0, 50),),
    "ab": (Step(0.5, 3600.0, 50),),
}


class Begun(msgspec.Struct, frozen=True):
    """A rollout, and whether its canaries run beside the engines that they may replace."""

    rollout: Rollout
    beside: bool


def begin(
    strategy: Strategy,
    plan: Plan,
    before: Mapping[str, EngineSpec],
    after: Mapping[str, EngineSpec],
    touched: Collection[str],
    probes: Sequence[Probe] = (),
) -> Begun:
    """The rollout of a release; RunError where it cannot be one. `before` and `after` are the engines of both."""
    slots = _slots(strategy, before, after, touched)
    fleet = tuple(before.values())
    chosen = [after[slot] for each in slots.values() for slot in each]
    beside = _fit(chosen, fleet)
    if not beside:
        _refuse_without_room(strategy, slots, before)
    baselines, why = _baselines(strategy, plan, slots, before, [*fleet, *chosen] if beside else fleet)
    rollout = Rollout(
        strategy=strategy,
        steps=_steps(strategy, plan),
        slots=slots,
        baselines=baselines,
        no_baseline=why,
        probes=tuple(probes),
    )
    return Begun(rollout, beside)


def _slots(
    strategy: Strategy, before: Mapping[str, EngineSpec], after: Mapping[str, EngineSpec], touched: Collection[str]
) -> dict[str, tuple[str, ...]]:
    """By model the engines of ours that are another process in the new release; for a canary one of each."""
    found: dict[str, list[str]] = {}
    for slot, spec in before.items():
        new = after.get(slot)
        if slot in touched and new is not None and spec.argv and new.argv and new.model == spec.model:
            found.setdefault(spec.model, []).append(slot)
    if not found:
        what = _("nothing of an engine changes: there is nothing to compare")
        raise RunError(what, fix=_("Apply it with --rollout none"), code="rollout_nothing")
    every = strategy == "blue-green"
    return {model: tuple(names if every else names[:1]) for model, names in found.items()}


def _refuse_without_room(
    strategy: Strategy, slots: Mapping[str, Sequence[str]], before: Mapping[str, EngineSpec]
) -> None:
    """In its place a canary leaves one engine less to the others, which must be able to carry the calls."""
    alone = [model for model in slots if sum(each.model == model for each in before.values()) < 2]
    if strategy != "blue-green" and not alone:
        return
    what = _("there is no room for new engines beside those of {models}").format(models=", ".join(alone or slots))
    fix = _("Free GPUs, leave out the engines' own ports, or apply it with --rollout none")
    raise RunError(what, fix=fix, code="rollout_no_room")


def _baselines(
    strategy: Strategy,
    plan: Plan,
    slots: Mapping[str, Sequence[str]],
    before: Mapping[str, EngineSpec],
    fleet: Sequence[EngineSpec],
) -> tuple[tuple[str, ...], str]:
    if strategy in ("blue-green", "ab"):
        return (), "the engines that serve are what it is compared with"
    if plan.baseline == "none":
        return (), "rollout.baseline is none"
    names = [slot for each in slots.values() for slot in each]
    if not _fit([before[name] for name in names], fleet):
        return (), "there is no room for another engine of the old release"
    if any(baseline_of(name) in before for name in names):
        return (), "an engine has the name that the baseline would have"
    return tuple(names), ""


def _steps(strategy: Strategy, plan: Plan) -> tuple[Step, ...]:
    if strategy == "blue-green":
        return (Step(1.0, plan.keep, 2),)
    given = tuple(Step(each.share, each.lasts, each.least_calls) for each in plan.steps)
    return (given[:1] if strategy == "ab" else given) or _DEFAULT_STEPS[strategy]


def _fit(specs: Sequence[EngineSpec], fleet: Sequence[EngineSpec]) -> bool:
    """Whether all of `specs` could run beside `fleet` and beside one another."""
    room = list(fleet)
    for spec in specs:
        if not has_room(spec, room):
            return False
        room.append(spec)
    return True
