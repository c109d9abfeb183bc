"""How far CUDA graphs reach, and how hard the compiler tries."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_CAPTURED = 512
"""vLLM captures graphs of up to 512 sequences unless told otherwise; beyond, decoding runs without."""


@stages.add("graphs")
def graphs(at: Situation) -> Iterator[Change]:
    """Graphs for every batch that runs."""
    if not at.space.is_vllm or at.space.loaded.config.hardware == "cpu":
        return
    if at.setting.args.get("enforce-eager") is True:
        return  # the killers' turn
    sequences = int(at.number("max-num-seqs", 256))
    if sequences > at.number("max-cudagraph-capture-size", _CAPTURED) and at.space.has("max-cudagraph-capture-size"):
        why = f"batches of up to {sequences} decode without a graph beyond {_CAPTURED}"
        size = {"max-cudagraph-capture-size": sequences}
        yield Change(stage="graphs", name=f"graphs to {sequences}", why=why, args=size, gain=1.03)
    if at.space.has("performance-mode") and at.objective.goal == "throughput":
        mode = "interactivity" if at.objective.slo.ttft_p95_ms is not None else "throughput"
        why = "vLLM's own choice of graphs and kernels for this load"
        yield Change(stage="graphs", name=f"mode {mode}", why=why, args={"performance-mode": mode}, gain=1.004)
