"""How several GPUs of one engine talk."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages


@stages.add("network")
def network(at: Situation) -> Iterator[Change]:
    """Only where an engine has more than one GPU."""
    if not at.space.is_vllm or at.number("tensor-parallel-size", 1) < 2:
        return
    if at.setting.env.get("NCCL_P2P_DISABLE", "0") == "1":
        why = "GPUs of one host talk through memory of the host"
        yield Change(stage="network", name="NCCL peer to peer", why=why, env={"NCCL_P2P_DISABLE": None}, gain=1.2)
    if "NCCL_ALGO" in at.setting.env:
        why = "NCCL chooses by size"
        yield Change(stage="network", name="NCCL's own algorithm", why=why, env={"NCCL_ALGO": None}, gain=1.02)
    if "NCCL_PROTO" not in at.setting.env:
        why = "the reductions of decoding are small"
        yield Change(stage="network", name="NCCL LL128", why=why, env={"NCCL_PROTO": "LL,LL128,Simple"}, gain=1.004)
