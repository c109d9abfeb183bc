"""Engines in a cluster: what only makes sense on this machine, and what the cluster must be told."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node
from forebay.config.schema import Config, EmbeddedEngine, VllmEngine
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _


def substrate(config: Config, tree: Node) -> Iterator[Finding]:
    """A cluster without an address; ports and GPUs of this machine for engines that run on another."""
    if config.substrate.kind == "local":
        return
    if config.substrate.address is None:
        why = _("nothing says where the Ray cluster is")
        fix = _("Set substrate.address to its head, such as 10.0.0.1:6379")
        where = locate(tree, ("substrate", "kind"))
        yield Finding(rule="substrate_address", severity="error", where=where, why=why, fix=fix)
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if not isinstance(engine, VllmEngine | EmbeddedEngine):
                continue
            for key in ("port", "gpus"):
                if getattr(engine, key, None):
                    why = _("{key} is of this machine; which node the engine gets, the cluster says").format(key=key)
                    where = locate(tree, ("models", name, "engines", index, key))
                    yield Finding(rule="substrate_local", severity="error", where=where, why=why, fix=_("Remove it"))
