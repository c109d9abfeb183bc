"""Addresses and networks that no system would accept."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator, Sequence

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.schema.security import Networks
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.core.networks import network
from forebay.messages import _


def addresses(config: Config, tree: Node) -> Iterator[Finding]:
    """Each `bind` must be an IP address, trusted proxies and whatever is allowed or denied networks."""
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
    for path, text in _networks(config):
        if not _reads(network, text):
            why = _("{value} is not a network").format(value=text)
            fix = _("Write an address and the length of its prefix, such as 10.0.0.0/8; no bit may be set behind it")
            yield Finding(rule="address", severity="error", where=locate(tree, path), why=why, fix=fix)


def _networks(config: Config) -> Iterator[tuple[Path, str]]:
    rules: list[tuple[Path, Networks]] = [
        (("security", "networks"), config.security.networks),
        (("security", "admin_networks"), config.security.admin_networks),
        *((("tenants", name, "networks"), tenant.networks) for name, tenant in config.tenants.items()),
    ]
    lists: list[tuple[Path, Sequence[str]]] = [
        (("gateway", "trusted_proxies"), config.gateway.trusted_proxies),
        *(((*path, kind), getattr(each, kind)) for path, each in rules for kind in ("allow", "deny")),
    ]
    for path, texts in lists:
        for index, text in enumerate(texts):
            yield (*path, index), text


def _reads(parse: Callable[[str], object], text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True
