"""Reuse that cannot come about: answers shared without a Valkey for them, or compared without being kept."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _


def reuse(config: Config, tree: Node) -> Iterator[Finding]:
    """Shared answers where there is no Valkey for them; questions compared where no answer is kept."""
    yield from _semantic(config, tree)
    if config.valkey.kind == "external":
        return
    for name, model in config.models.items():
        if model.cache.shared:
            yield Finding(
                rule="cache_shared",
                severity="error",
                where=locate(tree, ("models", name, "cache", "shared")),
                # The bundled one evicts nothing: answers would fill it until no limit can be counted any more.
                why=_("shared answers need a Valkey that evicts; the bundled one keeps counts and lets nothing go"),
                fix=_("Set valkey.kind to external, or remove shared"),
            )


def _semantic(config: Config, tree: Node) -> Iterator[Finding]:
    for name, model in config.models.items():
        if model.cache.semantic.enabled and not model.cache.exact:
            yield Finding(
                rule="cache_semantic",
                severity="error",
                where=locate(tree, ("models", name, "cache", "semantic", "enabled")),
                why=_("answers to questions in other words are found among those that the exact cache keeps"),
                fix=_("Set cache.exact to true, or remove semantic"),
            )
