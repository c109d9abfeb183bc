"""Addresses and networks that no system would accept."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.core.networks import network
from forebay.messages import _


def addresses(config: Config, tree: Node) -> Iterator[Finding]:
    """`bind` must be an IP address, `trusted_proxies` networks."""
    binds: list[tuple[Path, str]] = [
        (("edge", "bind"), config.edge.bind),
        (("gateway", "bind"), config.gateway.bind),
        (("admin", "bind"), config.admin.bind),
        (("observe", "metrics", "bind"), config.observe.metrics.bind),
    ]
    for path, text in binds:
        if not _reads(ipaddress.ip_address, text):
            # A host name was rejected: what it resolves to can change between a check and a restart.
            why = _("{value} is not an IP address").format(value=text or '""')
            fix = _("Write an address, such as 127.0.0.1, or 0.0.0.0 for all")
            yield Finding(rule="address", severity="error", where=locate(tree, path), why=why, fix=fix)
    for index, text in enumerate(config.gateway.trusted_proxies):
        if not _reads(network, text):
            where = locate(tree, ("gateway", "trusted_proxies", index))
            why = _("{value} is not a network").format(value=text)
            fix = _("Write an address and the length of its prefix, such as 10.0.0.0/8; no bit may be set behind it")
            yield Finding(rule="address", severity="error", where=where, why=why, fix=fix)


def _reads(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
