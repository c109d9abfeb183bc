"""Several engines on one GPU, behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_LEAST_KV_BYTES = 2**30
_SMALL = 0.05
"""Weights of less than this share of the memory: the processor that feeds them is the limit, not the GPU."""


@stages.add("instances")
def instances(at: Situation) -> Iterator[Change]:
    """For models so small that one process cannot feed the GPU."""
    facts = at.space.loaded.facts
    known = at.space.loaded.weights.get(str(getattr(at.space.engine, "weights", "")))
    if not at.space.is_vllm or facts is None or known is None or not facts.memory_bytes:
        return
    if known.total_bytes > _SMALL * facts.memory_bytes or at.space.cores < 8:
        return
    whole = at.number("gpu-memory-utilization", 0.92) * at.setting.copies
    for copies in (4, 2, 6, 8):
        if copies > at.setting.copies and copies * 2 <= at.space.cores:
            sequences = max(16, -(-at.objective.concurrency // copies))
            args: dict[str, object] = {
                "gpu-memory-utilization": round(min(whole, 0.9) / copies, 3),
                "max-num-seqs": sequences,
                "api-server-count": max(1, min(2, at.space.cores // (3 * copies))),
            }
            if at.space.has("kv-cache-memory-bytes"):
                # Engines that start beside one another would each count the others' memory as their own.
                tokens = sequences * at.objective.longest_tokens
                args["kv-cache-memory-bytes"] = max(_LEAST_KV_BYTES, round(1.5 * tokens * known.kv_bytes_per_token(2)))
            why = f"{copies} processes feed the GPU"
            gain = 2.0 / copies**0.1
            yield Change(stage="instances", name=f"{copies} engines", why=why, args=args, copies=copies, gain=gain)
