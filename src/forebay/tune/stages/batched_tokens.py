"""How many tokens one step computes."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_DEFAULT = 8192
_INTERACTIVE = (8192, 4096, 2048, 16384)
_THROUGHPUT = (16384, 8192, 32768)


@stages.add("batched_tokens")
def batched_tokens(at: Situation) -> Iterator[Change]:
    """Large steps carry prompts faster; small ones hold no running answer up."""
    if not at.space.is_vllm or at.space.loaded.config.hardware == "cpu":
        return
    interactive = at.objective.slo.ttft_p95_ms is not None or at.objective.goal == "latency"
    sizes = _INTERACTIVE if interactive else _THROUGHPUT
    now = at.number("max-num-batched-tokens", _DEFAULT)
    for place, size in enumerate(sizes):
        if size != now and size >= at.number("max-num-seqs", 256):
            why = f"{size} tokens in one step"
            args = {"max-num-batched-tokens": size}
            gain = 1.05 if place == 0 else 1.004
            yield Change(stage="batched_tokens", name=f"{size} tokens a step", why=why, args=args, gain=gain)
