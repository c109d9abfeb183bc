"""Engines that are found need exactly the section that says where."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config, DiscoveredEngine
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _

_SERVER = re.compile(r"(?:\[([^\]]+)\]|([^:]+))(?::(\d{1,5}))?")
_SOURCES = ("file", "dns", "kubernetes", "valkey")


def discovery(config: Config, tree: Node) -> Iterator[Finding]:
    """Sections that are missing, and sections that nobody reads."""
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            if isinstance(engine, DiscoveredEngine):
                yield from _sections(engine, ("models", name, "engines", index), tree)


def _sections(engine: DiscoveredEngine, path: Path, tree: Node) -> Iterator[Finding]:
    via = engine.via
    if getattr(engine, via) is None:
        why = _("engines are found via {via}, and nothing says where").format(via=via)
        fix = _("Add the section {via}").format(via=via)
        yield _finding(tree, (*path, "via"), why, fix)
    for other in _SOURCES:
        if other != via and getattr(engine, other) is not None:
            why = _("engines are found via {via}: this section is not read").format(via=via)
            fix = _("Remove it, or write `via: {other}`").format(other=other)
            yield _finding(tree, (*path, other), why, fix)
    resolver = engine.dns.resolver if engine.dns is not None else None
    if resolver is not None and dns_server(resolver) is None:
        why = _("{value} is not an address and a port").format(value=resolver)
        yield _finding(tree, (*path, "dns", "resolver"), why, _("Write it like 10.0.0.2:53 or [fd00::2]:53"))


def _finding(tree: Node, path: Path, why: str, fix: str) -> Finding:
    return Finding(rule="discovery_source", severity="error", where=locate(tree, path), why=why, fix=fix)


def dns_server(text: str) -> tuple[str, int] | None:
    """`address:port`, the port 53 where there is none; None where it is not of that form."""
    match = _SERVER.fullmatch(text)
    port = int(match[3] or 53) if match else 0
    if match is None or not 0 < port < 65536:
        return None
    try:
        ipaddress.ip_address(match[1] or match[2])
    except ValueError:
        return None
    return match[1] or match[2], port
