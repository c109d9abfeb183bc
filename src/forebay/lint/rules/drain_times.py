"""Drains that end before what they wait for."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.config.provenance import Path
from forebay.core.errors import Finding, Severity
from forebay.core.units import show_duration
from forebay.lint.run import rules
from forebay.messages import _


@rules.add("drain_times")
def drain_times(loaded: Loaded) -> Iterator[Finding]:
    """What stops later must wait longer: the edge for the gateway, an engine's drain for its own shutdown."""
    config = loaded.config
    if config.edge.kind != "none" and config.edge.shutdown < config.gateway.timeouts.drain:
        why = _("the edge ends after {edge}, before the gateway's drain of {gateway}: streams are cut")
        why = why.format(edge=show_duration(config.edge.shutdown), gateway=show_duration(config.gateway.timeouts.drain))
        yield _finding(loaded, "error", ("edge", "shutdown"), why, _("Raise it, or lower gateway.timeouts.drain"))
    call = config.gateway.timeouts.call
    for name, model in config.models.items():
        for index, engine in enumerate(model.engines):
            path: Path = ("models", name, "engines", index, "drain")
            if engine.kind == "external" or engine.drain >= call or loaded.origin(path).layer != "file":
                continue
            why = _("a drain of {drain} cuts calls, which may take {call}")
            why = why.format(drain=show_duration(engine.drain), call=show_duration(call))
            yield _finding(loaded, "note", path, why, _("Raise it to gateway.timeouts.call where none may be cut"))


def _finding(loaded: Loaded, severity: Severity, path: Path, why: str, fix: str) -> Finding:
    return Finding(rule="drain_times", severity=severity, where=loaded.where(path), why=why, fix=fix)
