"""Engines in a cluster: what only makes sense on this machine, and what the cluster must be told."""

from __future__ import annotations

import re
from collections.abc import Iterator

from forebay.config.crosscheck.docker import docker_hosts
from forebay.config.provenance import Node
from forebay.config.schema import Config, EmbeddedEngine, VllmEngine
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def substrate(config: Config, tree: Node) -> Iterator[Finding]:
    """A cluster without an address or hosts; ports and GPUs of this machine for engines that run on another."""
    if config.substrate.kind == "local":
        return
    yield from _KINDS[config.substrate.kind](config, tree)
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if not isinstance(engine, VllmEngine | EmbeddedEngine):
                continue
            for key in ("port", "gpus"):
                if getattr(engine, key, None):
                    why = _("{key} is of this machine; which node the engine gets, the cluster says").format(key=key)
                    where = locate(tree, ("models", name, "engines", index, key))
                    yield Finding(rule="substrate_local", severity="error", where=where, why=why, fix=_("Remove it"))


def _ray(config: Config, tree: Node) -> Iterator[Finding]:
    if config.substrate.address is None:
        why = _("nothing says where the Ray cluster is")
        fix = _("Set substrate.address to its head, such as 10.0.0.1:6379")
        where = locate(tree, ("substrate", "kind"))
        yield Finding(rule="substrate_address", severity="error", where=where, why=why, fix=fix)


def _kubernetes(config: Config, tree: Node) -> Iterator[Finding]:
    namespace = config.substrate.namespace or config.service
    if not _NAMESPACE.fullmatch(namespace):
        why = _("{name} is no name of a namespace: small letters, digits and dashes alone").format(name=namespace)
        where = locate(tree, ("substrate", "namespace" if config.substrate.namespace else "kind"))
        fix = _("Set substrate.namespace")
        yield Finding(rule="substrate_namespace", severity="error", where=where, why=why, fix=fix)


_KINDS = {"ray": _ray, "kubernetes": _kubernetes, "docker": docker_hosts}
