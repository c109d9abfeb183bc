"""Fits the analytic model's efficiencies anew, leaving one reference point out, and foretells that one."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import msgspec

from forebay.tune.capacity.accelerators import Efficiency, accelerators
from forebay.tune.capacity.reference import Point, errors

_FREE = (
    "bandwidth_ratio", "flops_ratio", "fp8_flops_ratio", "graph_layer_s", "eager_layer_s", "sync_step_s", "sequence_s",
    "front_s", "call_s",
)  # fmt: skip
_WEIGHTS = {"output_tokens_per_s": 2.0, "e2e_p50_ms": 2.0, "ttft_p50_ms": 0.5, "tpot_p50_ms": 1.0, "e2e_p95_ms": 1.0}
_SHARE_RATIO = 1.0


def fit(points: Sequence[Point], trials: int, seed: int = 1) -> Efficiency:
    """A random search that narrows; it begins far from the figures that ship, so that they are not what it finds."""
    chance = random.Random(seed)  # noqa: S311  a search
    best = msgspec.structs.replace(
        accelerators().efficiency, bandwidth_ratio=0.7, flops_ratio=0.5, fp8_flops_ratio=0.5, graph_layer_s=5e-5,
        eager_layer_s=3e-4, sync_step_s=2e-3, sequence_s=2e-5, front_s=1e-3, call_s=8e-3,
    )  # fmt: skip
    least = _loss(points, best)
    for trial in range(trials):
        width = 0.3 * (1 - trial / trials) + 0.03
        moved = {
            name: getattr(best, name) * math.exp(chance.gauss(0, width)) for name in _FREE if chance.random() < 0.5
        }
        for name in ("bandwidth_ratio", "flops_ratio", "fp8_flops_ratio"):
            moved[name] = min(_SHARE_RATIO, moved.get(name, getattr(best, name)))
        tried = msgspec.structs.replace(best, **moved)
        loss = _loss(points, tried)
        if loss < least:
            best, least = tried, loss
    return best


def _loss(points: Sequence[Point], efficiency: Efficiency) -> float:
    return sum(
        _WEIGHTS.get(each.figure, 0.0) * abs(math.log1p(each.error_ratio))
        for at in points
        for each in errors(at, efficiency)
    )
