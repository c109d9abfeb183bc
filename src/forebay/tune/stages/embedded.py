"""The keys of an embedded engine."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages


@stages.add("embedded")
def embedded(at: Situation) -> Iterator[Change]:
    """More sequences at once, and as many threads as there are cores, or half of them."""
    if at.space.is_vllm:
        return
    now = int(at.number("max_sequences", 4))
    for size in (2 * now, 4 * now):
        if size <= 64:
            why = f"a batch of {size} reads the weights once for all of them"
            args = {"max_sequences": size}
            yield Change(stage="embedded", name=f"{size} sequences", why=why, args=args, gain=1.2)
    threads = int(at.number("threads", at.space.cores))
    for count in (at.space.cores, max(1, at.space.cores // 2)):
        if count != threads:
            why = f"{count} of {at.space.cores} cores"
            yield Change(stage="embedded", name=f"{count} threads", why=why, args={"threads": count}, gain=1.05)
