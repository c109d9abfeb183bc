"""Weights in eight bits."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages


@stages.add("quantised_weights")
def quantised_weights(at: Situation) -> Iterator[Change]:
    """FP8 as vLLM loads the weights, where the hardware computes in it and they are not quantised already."""
    facts = at.space.loaded.facts
    if not at.space.is_vllm or facts is None or not facts.fp8:
        return
    if at.space.served(at.setting).quantisation:
        return
    why = "half the bytes of weights at every step, twice the arithmetic"
    args = {"quantization": "fp8"}
    yield Change(stage="quantised_weights", name="fp8 weights", why=why, args=args, gain=1.25, precision=True)
