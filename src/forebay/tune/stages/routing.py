"""Which engine takes a call, where there are several."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_PREFIX = {"prefix": 2.0, "least_tokens": 1.0}
_WAYS: dict[str, tuple[dict[str, float], str]] = {
    "by prefix": (_PREFIX, "an engine that has read a prompt's beginning need not read it again"),
    "by tokens": ({"least_tokens": 1.0}, "a long prompt weighs as much as many short ones"),
    "by calls": ({"least_loaded": 1.0}, "no engine has more to do than another"),
}


@stages.add("routing")
def routing(at: Situation) -> Iterator[Change]:
    """By prefix where prompts share one of several beginnings, else by what engines have before them."""
    if not at.space.through or at.setting.copies < 2:
        return
    now = at.space.gateway_now(at.setting, "model.routing")
    scorers = at.space.gateway_now(at.setting, "model.routing.scorers")
    has = scorers or ({} if now is not None else {at.space.gateway_now(at.setting, "gateway.routing"): 1.0})
    shares = at.objective.shared_prefix_share > 0 and at.objective.shared_prefixes > 1
    mixed = at.objective.input_tokens.shape != "fixed" or at.objective.output_tokens.shape != "fixed"
    for name, (wanted, why) in _WAYS.items():
        if wanted == has or (name == "by prefix" and not shares):
            continue
        gain = 1.2 if name == "by prefix" else 1.05 if mixed else 1.01
        gateway: dict[str, object] = {"model.routing.scorers": wanted}
        yield Change(stage="routing", name=f"routing {name}", why=why, gateway=gateway, gain=gain)
