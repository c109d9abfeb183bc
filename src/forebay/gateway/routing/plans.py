"""The routing plans of a snapshot, by every name a call may have for an engine."""

from __future__ import annotations

from forebay.gateway.routing import Needs
from forebay.gateway.routing.choice import Plan, plan_of
from forebay.gateway.routing.policy import RoutingPolicy
from forebay.gateway.snapshot import Snapshot


def plans_of(snapshot: Snapshot) -> dict[str, Plan]:
    """A plan for each model and each adapter of its engines; KeyError names a policy that does not exist."""
    default = plan_of(RoutingPolicy(scorers={snapshot.policy.routing: 1.0}))  # refused also where no model uses it
    plans = {model.name: plan_of(model.routing) if model.routing else default for model in snapshot.models}
    for engine in snapshot.engines:
        for adapter in engine.routing.adapters:
            if engine.model in plans:
                plans[adapter] = plans[engine.model]
    return plans


def asks_for_sessions(snapshot: Snapshot) -> bool:
    """Whether some policy wants to know to which session a call belongs."""
    rollout = any(model.rollout is not None for model in snapshot.models)
    return rollout or any(plan.needs & (Needs.SESSION | Needs.SPLIT) for plan in plans_of(snapshot).values())
