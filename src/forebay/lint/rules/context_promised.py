"""A context that the model promises and an engine cannot hold."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.config.schema import EmbeddedEngine, VllmEngine
from forebay.core.errors import Finding
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("context_promised")
def context_promised(loaded: Loaded) -> Iterator[Finding]:
    """The gateway would let a prompt through that the engine then refuses."""
    for name, model in loaded.config.models.items():
        for index, engine in enumerate(model.engines):
            held = None
            if isinstance(engine, EmbeddedEngine):
                held = engine.context_tokens
            elif isinstance(engine, VllmEngine):
                given = engine.args.get("max-model-len")
                held = given if isinstance(given, int) and given > 0 else None
            if held is None or model.context_tokens is None or model.context_tokens <= held:
                continue
            why = _("the model promises {promised} tokens, this engine holds {held}")
            why = why.format(promised=model.context_tokens, held=held)
            fix = _("Lower models.{name}.context_tokens, or raise the engine's").format(name=name)
            where = loaded.where(("models", name, "engines", index))
            yield Finding(rule="context_promised", severity="error", where=where, why=why, fix=fix)
