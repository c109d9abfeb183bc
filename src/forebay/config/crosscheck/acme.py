"""Certificates that an ACME authority could never give, or that nobody would serve."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

_HERE: Path = ("edge", "acme")


def acme(config: Config, tree: Node) -> Iterator[Finding]:
    """Every finding about `edge.acme`."""
    edge = config.edge
    if edge.acme is None:
        return
    if edge.certificate is not None:
        why = _("the certificate is the operator's own and an authority's at once")
        yield _error(tree, _HERE, why, _("Set one of edge.certificate and edge.acme"))
    if edge.kind == "none":
        why = _("without an edge there is nobody to serve a certificate")
        yield _error(tree, _HERE, why, _("Set edge.kind to nginx or haproxy, or take edge.acme out"))
    elif edge.http_port is None:
        why = _("the authority asks over plain HTTP, and no port for it is open")
        yield _error(tree, ("edge", "http_port"), why, _("Set edge.http_port, to 80 where nothing else leads there"))
    for index, name in enumerate(edge.server_names):
        if name.startswith("*."):
            why = _("HTTP-01 proves no wildcard such as {name}").format(name=name)
            fix = _("List each name, or use edge.certificate with a client that asks over DNS")
            yield _error(tree, ("edge", "server_names", index), why, fix)


def _error(tree: Node, path: Path, why: str, fix: str) -> Finding:
    return Finding(rule="acme", severity="error", where=locate(tree, path), why=why, fix=fix)
