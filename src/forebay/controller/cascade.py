"""What workers hold of a model's `cascade`. Pure."""

from __future__ import annotations

from forebay.config.schema import Model
from forebay.gateway.cascade.policy import Bounds, CascadePolicy


def cascade_policy(model: Model) -> CascadePolicy | None:
    """None where the model answers its calls itself: the request path then looks no further."""
    cascade = model.cascade
    if cascade is None:
        return None
    bounds, load = cascade.confidence, cascade.load
    relaxed = load.saturated
    return CascadePolicy(
        first=cascade.first,
        bounds=Bounds(mean_logprob=bounds.mean_logprob, self_check=bounds.self_check),
        valid_json=bounds.valid_json,
        waiting=load.waiting,
        wait_s=load.wait,
        longest_s=load.longest,
        saturated=None
        if relaxed is None
        else Bounds(
            mean_logprob=_either(relaxed.mean_logprob, bounds.mean_logprob),
            self_check=_either(relaxed.self_check, bounds.self_check),
        ),
        sample_ratio=cascade.sample_ratio,
    )


def _either(relaxed: float | None, usual: float | None) -> float | None:
    return usual if relaxed is None else relaxed
