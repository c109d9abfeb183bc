"""How the GPUs are divided: into few engines that spread over several each, or into more and smaller ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

from forebay.lint.rules.tensor_parallel import divides
from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages

_FLAG = "tensor-parallel-size"


@stages.add("parallelism")
def parallelism(at: Situation) -> Iterator[Change]:
    """Every even division that the model's heads allow, those nearest to the present one first.

    Only where the setting has all of its GPUs: what one copy of several shows says nothing of another division. Lint
    refuses engines that would not hold the weights.
    """
    gpus, size = at.space.gpus_named, int(at.number(_FLAG, 1))
    if not at.space.is_vllm or gpus < 2 or size * at.setting.copies != gpus:
        return
    known = at.space.loaded.weights.get(str(getattr(at.space.engine, "weights", "")))
    others = [each for each in range(1, gpus + 1) if gpus % each == 0 and each != size]
    for other in sorted(others, key=lambda each: abs(math.log(each / size))):
        if known is not None and not divides(known, other):
            continue
        copies = gpus // other
        yield Change(
            stage="parallelism",
            name=f"{copies} x TP {other}",
            why=_why(other < size),
            args={_FLAG: other if other > 1 else None},
            copies=copies,
            gain=_gain(at, smaller=other < size),
        )


def _why(smaller: bool) -> str:
    return "no step waits for other GPUs" if smaller else "each step reads its part of the weights on every GPU"


def _gain(at: Situation, *, smaller: bool) -> float:
    """Larger engines answer sooner, smaller ones more."""
    sooner = at.objective.goal == "latency" or "bandwidth" in at.causes
    return 1.2 if smaller != sooner else 1.004
