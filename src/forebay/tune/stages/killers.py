"""Flags that cost speed and are there for finding faults."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages


@stages.add("killers")
def killers(at: Situation) -> Iterator[Change]:
    """Each flag by itself where it is set: what it costs is seen, and what cannot go stays."""
    if not at.space.is_vllm:
        return
    args = at.setting.args
    if args.get("enforce-eager") is True and at.space.loaded.config.hardware != "cpu":
        why = "CUDA graphs are off: each step waits for Python to start its kernels"
        yield Change(stage="killers", name="no enforce-eager", why=why, args={"enforce-eager": None}, gain=1.6)
    if args.get("async-scheduling") is False:
        why = "each step waits for the scheduler"
        yield Change(stage="killers", name="async scheduling", why=why, args={"async-scheduling": None}, gain=1.1)
    if args.get("enable-chunked-prefill") is False:
        why = "long prompts stop every running answer"
        yield Change(stage="killers", name="chunked prefill", why=why, args={"enable-chunked-prefill": None}, gain=1.05)
    if args.get("disable-custom-all-reduce") is True:
        why = "small reductions go through NCCL"
        change = {"disable-custom-all-reduce": None}
        yield Change(stage="killers", name="custom all-reduce", why=why, args=change, gain=1.05)
    if "cpu-offload-gb" in args:
        why = "weights cross the bus at every step"
        yield Change(stage="killers", name="no offloading", why=why, args={"cpu-offload-gb": None}, gain=1.5)
