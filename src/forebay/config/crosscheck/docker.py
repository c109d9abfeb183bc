"""Docker hosts: that there are some, which ones, and who else reaches them."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node
from forebay.config.schema import Config, EmbeddedEngine, VllmEngine
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _


def docker_hosts(config: Config, tree: Node) -> Iterator[Finding]:
    """No host, names given twice, a daemon that is open to everybody, labels that no host has."""
    hosts = config.substrate.docker.hosts
    if not hosts:
        why, fix = _("nothing says on which Docker hosts engines run"), _("List them in substrate.docker.hosts")
        yield _finding("substrate_hosts", locate(tree, ("substrate", "kind")), why, fix)
    for index, host in enumerate(hosts):
        where = ("substrate", "docker", "hosts", index)
        if host.name in {each.name for each in hosts[:index]}:
            why, fix = _("two hosts are called {name}").format(name=host.name), _("Give each a name of its own")
            yield _finding("substrate_hosts", locate(tree, (*where, "name")), why, fix)
        if host.docker.startswith("tcp://") and host.tls is None:
            why = _("whoever reaches the daemon at {docker} is root on {name}")
            fix = _("Set `tls`, or use ssh://")
            why = why.format(docker=host.docker, name=host.name)
            yield _finding("substrate_tls", locate(tree, (*where, "docker")), why, fix)
    if hosts:
        yield from _labels(config, tree)


def _labels(config: Config, tree: Node) -> Iterator[Finding]:
    """An engine that wants labels that no host has would wait for ever."""
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if not isinstance(engine, VllmEngine | EmbeddedEngine):
                continue
            if not any(engine.labels.items() <= host.labels.items() for host in config.substrate.docker.hosts):
                where = locate(tree, ("models", name, "engines", index, "labels"))
                fix = _("Give them to a host in substrate.docker.hosts")
                yield _finding("substrate_hosts", where, _("no host has these labels"), fix)


def _finding(rule: str, where: str, why: str, fix: str) -> Finding:
    return Finding(rule=rule, severity="error", where=where, why=why, fix=fix)
