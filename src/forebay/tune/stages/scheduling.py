"""How steps are prepared and answers handed out."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages


@stages.add("scheduling")
def scheduling(at: Situation) -> Iterator[Change]:
    """Work that the processor does between the GPU's steps."""
    if not at.space.is_vllm:
        return
    busy = "CPU" in at.causes
    if at.space.has("stream-interval") and at.number("stream-interval", 1) < 4 and not at.objective.stream:
        why = "answers are handed out every few tokens"
        yield Change(stage="scheduling", name="stream every 8", why=why, args={"stream-interval": 8}, gain=1.02)
    if at.space.has("api-server-count") and at.space.cores >= 8 and at.setting.copies == 1:
        many = 4 if at.objective.concurrency >= 500 else 2
        if at.number("api-server-count", 1) < many:
            why = "one process reads and writes for all clients"
            args = {"api-server-count": many}
            gain = 1.5 if at.objective.concurrency >= 500 else 1.15 if busy else 1.02
            yield Change(stage="scheduling", name=f"{many} API servers", why=why, args=args, gain=gain)
