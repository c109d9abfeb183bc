"""How many sequences run at once."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_ROOM = 0.5
_SIZES = (64, 96, 128, 192, 256, 384, 512, 768, 1024)


@stages.add("sequences")
def sequences(at: Situation) -> Iterator[Change]:
    """Upwards while the engine is held back by their number; downwards where it only adds delay."""
    if not at.space.is_vllm:
        return
    now = int(at.number("max-num-seqs", 256))
    most = at.objective.most_concurrency
    limits = [
        limit for part in at.space.loaded.profiles for flag, limit in part.limits.items() if flag == "max-num-seqs"
    ]
    bound = min([most, *(int(limit.at_most) for limit in limits if limit.at_most is not None)])
    wanted = 512 if at.objective.slo.ttft_p95_ms is None or _has_room(at) else 256
    if at.objective.goal == "latency":
        wanted = at.objective.concurrency
    higher = [size for size in _SIZES if now < size <= bound]
    aim = max((size for size in higher if size <= wanted), default=higher[0] if higher else None)
    for size in dict.fromkeys(each for each in (aim, *higher) if each is not None):
        tight = "scheduler" in at.causes or at.concurrency >= now
        gain = (1.4 if size == aim else 1.1) if tight else 1.02
        why = f"a batch of {size} reads the weights once for all of them"
        yield Change(stage="sequences", name=f"{size} sequences", why=why, args={"max-num-seqs": size}, gain=gain)
    lower = [size for size in _SIZES if size < now and size >= max(16, now // 2)]
    if lower and at.objective.goal == "latency":
        why = "fewer at once, each of them faster"
        yield Change(
            stage="sequences", name=f"{lower[-1]} sequences", why=why, args={"max-num-seqs": lower[-1]}, gain=1.004
        )


def _has_room(at: Situation) -> bool:
    """Whether what was measured is far from its bounds."""
    best = at.trial.best if at.trial is not None else None
    return best is not None and 0 < best.pressure < _ROOM
