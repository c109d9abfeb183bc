"""A share of the memory that leaves too little, or too much."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_MOST, _LEAST = 0.95, 0.5


@engine_rules.add("memory_share")
def memory_share(served: Served) -> Iterator[Finding]:
    """CUDA graphs and NCCL live beside the share that vLLM takes; what it does not take lies idle."""
    share = served.args.get("gpu-memory-utilization")
    if not isinstance(share, int | float) or served.hardware == "cpu":
        return
    if share > _MOST:
        why = _("{share:g} of the memory leaves no room for CUDA graphs and NCCL: engines die under load")
        fix = _("Set {most} or less").format(most=_MOST)
        found = served.finding("memory_share", "warning", "gpu-memory-utilization", why.format(share=share), fix)
        yield served.repairable(found, "gpu-memory-utilization", _MOST)
    elif share < _LEAST:
        why = _("{share:g} of the memory leaves most of it idle, unless engines share the GPU").format(share=share)
        yield served.finding("memory_share", "note", "gpu-memory-utilization", why, _("Set 0.90"))
