"""Parts that listen beyond this machine although nothing guards them there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.config.provenance import Path
from forebay.core.errors import Finding, Severity
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("exposed")
def exposed(loaded: Loaded) -> Iterator[Finding]:
    """Admin, metrics and gateway belong on loopback; the edge is what faces the world."""
    config = loaded.config
    if not _loopback(config.admin.bind):
        why = _("the admin API can be reached from other machines")
        yield _finding(loaded, "error", ("admin", "bind"), why, _("Set 127.0.0.1 and reach it through a tunnel"))
    if not _loopback(config.observe.metrics.bind):
        why = _("the metrics page can be reached from other machines and needs no key")
        fix = _("Set 127.0.0.1, or let only Prometheus through the firewall")
        yield _finding(loaded, "warning", ("observe", "metrics", "bind"), why, fix)
    if not _loopback(config.gateway.bind):
        why = _("the gateway can be reached from other machines without TLS")
        fix = _("Set 127.0.0.1 and let clients use the edge")
        yield _finding(loaded, "warning", ("gateway", "bind"), why, fix)
    if config.edge.kind != "none" and config.environment != "development" and _loopback(config.edge.bind):
        why = _("only this machine can reach the edge")
        yield _finding(loaded, "note", ("edge", "bind"), why, _("Set 0.0.0.0, or the address that clients use"))


def _loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def _finding(loaded: Loaded, severity: Severity, path: Path, why: str, fix: str) -> Finding:
    return Finding(rule="exposed", severity=severity, where=loaded.where(path), why=why, fix=fix)
