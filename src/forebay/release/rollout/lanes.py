"""What a rollout asks of the gateway, and whom it compares. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from forebay.config.schema.rollout import Rollout as Plan
from forebay.gateway.rollout.policy import RolloutPolicy
from forebay.release.rollout.sides import Sides
from forebay.release.rollout.state import Rollout, baseline_of


class Lane(msgspec.Struct, frozen=True):
    """The engines of one model, by unit: those of the new release, and fresh ones of the old."""

    canary: tuple[str, ...]
    baseline: tuple[str, ...]


def lanes(rollout: Rollout, canaries: Mapping[str, str]) -> dict[str, Lane]:
    """By model; `canaries` are units by slot."""
    return {
        model: Lane(
            tuple(canaries[slot] for slot in slots if slot in canaries),
            tuple(baseline_of(slot) for slot in slots if slot in rollout.baselines),
        )
        for model, slots in rollout.slots.items()
    }


def policies(rollout: Rollout, plan: Plan, change: str, canaries: Mapping[str, str]) -> dict[str, RolloutPolicy]:
    """By model. Before its first step an engine of either side takes no call but one that asks for the canary."""
    share = rollout.now.share_ratio if rollout.step_at else 0.0
    shadow = rollout.strategy == "shadow"
    return {
        model: RolloutPolicy(
            id=change,
            canary=lane.canary,
            baseline=lane.baseline,
            share_ratio=0.0 if shadow else share,
            shadow_ratio=share if shadow else 0.0,
            by_header=plan.header,
            tenants=tuple(plan.tenants),
        )
        for model, lane in lanes(rollout, canaries).items()
    }


def sides(rollout: Rollout, canaries: Mapping[str, str]) -> dict[str, Sides]:
    """By model."""
    return {
        model: Sides(
            canary=frozenset(lane.canary),
            baseline=frozenset(lane.baseline),
            shadow=rollout.strategy == "shadow",
            errors_only=rollout.strategy == "blue-green",
        )
        for model, lane in lanes(rollout, canaries).items()
    }
