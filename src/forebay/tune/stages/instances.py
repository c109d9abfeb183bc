"""Several engines on one GPU, behind the gateway."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_LEAST_KV_BYTES = 2**30
_SMALL = 0.05
"""Weights of less than this share of the memory: the processor that feeds them is the limit, not the GPU."""
_COPIES = (2, 4, 6, 8, 12, 16)
_MARGIN = 2.0
"""Engines share cores and a GPU: so many times what the load asks of engines that had a machine each."""
_SLACK = 1.25
"""No engine gets exactly its share of the requests."""


@stages.add("instances")
def instances(at: Situation) -> Iterator[Change]:
    """For models so small that one process cannot feed the GPU: by how far the load is beyond its bounds first."""
    facts = at.space.loaded.facts
    known = at.space.loaded.weights.get(str(getattr(at.space.engine, "weights", "")))
    if not at.space.is_vllm or facts is None or known is None or not facts.memory_bytes:
        return
    if at.space.gpus_named > 1:
        return  # how several GPUs are divided is the parallelism's to say
    if known.total_bytes > _SMALL * facts.memory_bytes or at.space.cores < 8:
        return
    possible = [copies for copies in _COPIES if at.setting.copies < copies and 2 * copies <= at.space.cores]
    wanted = _wanted(at)
    for copies in sorted(possible, key=lambda copies: (abs(copies - wanted), -copies)):
        yield side_by_side(at, copies, gain=2.0 / (1 + abs(copies - wanted) / wanted))


def side_by_side(at: Situation, copies: int, gain: float = 1.0) -> Change:
    """So many engines of the setting on its GPU, each with its share of memory and requests."""
    whole = min(at.number("gpu-memory-utilization", 0.92) * at.setting.copies, 0.9)
    sequences = max(16, round(_SLACK * at.objective.concurrency / copies))
    args: dict[str, object] = {
        "gpu-memory-utilization": round(whole / copies, 3),
        "max-num-seqs": sequences,
        "api-server-count": max(1, min(2, at.space.cores // (3 * copies))),
    }
    known = at.space.loaded.weights.get(str(getattr(at.space.engine, "weights", "")))
    if at.space.has("kv-cache-memory-bytes") and known is not None:
        # Engines that start beside one another would each count the others' memory as their own.
        tokens = sequences * at.objective.longest_tokens
        args["kv-cache-memory-bytes"] = max(_LEAST_KV_BYTES, round(1.5 * tokens * known.kv_bytes_per_token(2)))
    why = f"{copies} processes feed the GPU"
    return Change(stage="instances", name=f"{copies} engines", why=why, args=args, copies=copies, gain=gain)


def _wanted(at: Situation) -> float:
    """By how far the load is beyond its bounds; 4 where nothing was measured, or no bound is."""
    best = at.trial.best if at.trial is not None else None
    return _MARGIN * best.pressure * at.setting.copies if best is not None and best.pressure else 4.0
