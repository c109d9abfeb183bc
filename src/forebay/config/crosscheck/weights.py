"""Weights that are checked before an engine starts: only files that lie where the engine runs can be."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node
from forebay.config.schema import Config, EmbeddedEngine, VllmEngine
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _


def weights(config: Config, tree: Node) -> Iterator[Finding]:
    """A checksum for weights that are no path, or where forebay does not start the program."""
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if not isinstance(engine, VllmEngine | EmbeddedEngine) or engine.weights_sha256 is None:
                continue
            where = locate(tree, ("models", name, "engines", index, "weights_sha256"))
            if engine.weights is None or (engine.kind == "vllm" and not engine.weights.startswith("/")):
                why, fix = _("only weights that are a path can be checked"), _("Name their folder or file in `weights`")
                yield Finding(rule="weights_sha256", severity="error", where=where, why=why, fix=fix)
            elif config.substrate.kind == "kubernetes":
                why, fix = (
                    _("weights in a cluster of Kubernetes are not checked"),
                    _("Check them where they are stored"),
                )
                yield Finding(rule="weights_sha256", severity="error", where=where, why=why, fix=fix)
