"""Streams that are to be continued where no engine could go on."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.config.schema.engines import Engine, ExternalEngine, VllmEngine
from forebay.core.errors import Finding
from forebay.lint.run import rules
from forebay.messages import _

_FIRST_WITH_TOKEN_IDS = (0, 10, 2)


@rules.add("continuation")
def continuation(loaded: Loaded) -> Iterator[Finding]:
    """A stream goes on only at an engine that tells token ids and takes them: vLLM without a reasoning parser."""
    for name, model in loaded.config.models.items():
        if not model.continuation or any(_goes_on(engine) for engine in model.engines):
            continue
        yield Finding(
            rule="continuation",
            severity="warning",
            where=loaded.where(("models", name, "continuation")),
            why=_("no engine of this model can continue a stream: each is cut as without it"),
            fix=_("Use vLLM without reasoning-parser, set token_prompts on an external one, or remove continuation"),
        )


def _goes_on(engine: Engine) -> bool:
    if isinstance(engine, ExternalEngine):
        return engine.token_prompts
    if not isinstance(engine, VllmEngine) or any(key.replace("_", "-") == "reasoning-parser" for key in engine.args):
        return False
    return tuple(map(int, engine.release.split("."))) >= _FIRST_WITH_TOKEN_IDS
