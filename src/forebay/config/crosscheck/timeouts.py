"""Timeouts shrink inwards: what waits outside must wait longer than what it waits for.

Otherwise the outer part gives up first, the client learns nothing, and the engine goes on working for nobody.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from typing import Any

from forebay.config.provenance import Node, Path, show_path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.core.units import show_duration
from forebay.messages import _

_CALL: Path = ("gateway", "timeouts", "call")
_FIRST_BYTE: Path = ("gateway", "timeouts", "first_byte")
_OUTER_INNER: tuple[tuple[Path, Path], ...] = (
    (_CALL, _FIRST_BYTE),
    (_CALL, ("gateway", "timeouts", "chunk")),
    (_CALL, ("gateway", "queue", "wait")),
    (_FIRST_BYTE, ("gateway", "timeouts", "connect")),
)
# Equal is enough here: the edge only has to let the gateway speak first or at the same time.
_AT_LEAST: tuple[tuple[Path, Path], ...] = (
    (("edge", "shutdown"), _CALL),
    (("edge", "send_timeout"), ("gateway", "timeouts", "stall")),
)
_MAY_BE_ZERO = {
    ("edge", "hsts"),
    ("gateway", "queue", "wait"),
    ("edge", "keepalive_timeout"),
    ("gateway", "timeouts", "drain"),
}


def timeouts(config: Config, tree: Node) -> Iterator[Finding]:
    """Outer timeouts that end too early, and timeouts of zero."""
    yield from _zeros(config, tree)
    for outer, inner in _OUTER_INNER:
        if _at(config, outer) <= _at(config, inner):
            yield _too_early(config, tree, outer, inner, _("must be longer than"))
    for outer, inner in _AT_LEAST:
        if config.edge.kind != "none" and _at(config, outer) < _at(config, inner):
            yield _too_early(config, tree, outer, inner, _("must not be shorter than"))


def _too_early(config: Config, tree: Node, outer: Path, inner: Path, relation: str) -> Finding:
    words = {
        "outer": show_duration(_at(config, outer)),
        "relation": relation,
        "inner": show_path(inner),
        "value": show_duration(_at(config, inner)),
    }
    why = _("{outer} {relation} {inner} ({value})").format(**words)
    fix = _("Raise it above {value}, or lower {inner}").format(**words)
    return Finding(rule="timeout_order", severity="error", where=locate(tree, outer), why=why, fix=fix)


def _zeros(config: Config, tree: Node) -> Iterator[Finding]:
    sections: tuple[Path, ...] = (("gateway", "timeouts"), ("edge",), ("observe", "metrics"))
    for section in sections:
        for key in type(_at(config, section)).model_fields:
            path = (*section, key)
            value = _at(config, path)
            if isinstance(value, float) and value == 0 and path not in _MAY_BE_ZERO:
                why = _("a time of zero leaves no time at all")
                fix = _("Write a duration, such as 30s")
                yield Finding(rule="timeout_zero", severity="error", where=locate(tree, path), why=why, fix=fix)


def _at(config: Config, path: Path) -> Any:
    return reduce(lambda value, key: getattr(value, str(key)), path, config)
