"""The routing keys of the configuration as workers hold them."""

from __future__ import annotations

from forebay.config.schema import Model
from forebay.config.schema.routing import Breaker
from forebay.gateway.routing.policy import BreakerPolicy, RoutingPolicy


def routing_policy(model: Model) -> RoutingPolicy | None:
    """None where the model says nothing: `gateway.routing` is then in force."""
    routing = model.routing
    if routing is None:
        return None
    scorers = {str(name): weight for name, weight in routing.scorers.items()} or {"least_loaded": 1.0}
    return RoutingPolicy(scorers=scorers, pick=routing.pick, imbalance=routing.imbalance)


def breaker_policy(breaker: Breaker) -> BreakerPolicy:
    return BreakerPolicy(
        enabled=breaker.enabled,
        window_s=breaker.window,
        failures=breaker.failures,
        failure_ratio=breaker.failure_ratio,
        open_s=breaker.open,
        longest_s=breaker.longest,
        max_ejected_ratio=breaker.max_ejected_ratio,
    )
