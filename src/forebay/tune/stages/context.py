"""The context that the engine makes room for."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.setting import Change
from forebay.tune.stage import Situation, stages


@stages.add("context")
def context(at: Situation) -> Iterator[Change]:
    """No longer than what the model promises its clients; left alone where it promises nothing."""
    promised = at.space.loaded.config.models[at.space.model].context_tokens
    if promised is None or not at.space.is_vllm:
        return
    known = at.space.loaded.weights.get(str(getattr(at.space.engine, "weights", "")))
    now = at.number("max-model-len", known.context_tokens if known is not None else 0)
    if promised < now and promised >= at.objective.longest_tokens:
        why = f"the model's key context_tokens promises {promised}"
        yield Change(stage="context", name=f"context {promised}", why=why, args={"max-model-len": promised}, gain=1.01)
