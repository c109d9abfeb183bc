"""How much of the GPU's memory vLLM may take."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_SHARES = (0.92, 0.95)


@stages.add("memory")
def memory(at: Situation) -> Iterator[Change]:
    """More memory is more KV cache: worth little unless the cache is what is short."""
    if not at.space.is_vllm or at.space.loaded.config.hardware == "cpu":
        return
    now = at.number("gpu-memory-utilization", 0.92) * at.setting.copies
    short = "KV capacity" in at.causes
    for share in _SHARES:
        if share > now + 0.005:
            why = "more of the memory for the KV cache"
            yield Change(
                stage="memory",
                name=f"memory {share:.2f}",
                why=why,
                args={"gpu-memory-utilization": round(share / at.setting.copies, 3)},
                gain=1.1 if short else 1.01,
            )
