"""Callers that are to be watched where nothing is written that shows what they do."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.messages import _


def watch(config: Config, tree: Node) -> Iterator[Finding]:
    """The watch reads the lines of calls."""
    if config.watch.enabled and not config.observe.log.access:
        yield Finding(
            rule="watch_blind",
            severity="error",
            where=locate(tree, ("watch", "enabled")),
            why=_("the watch reads the lines of calls, and none are written"),
            fix=_("Set observe.log.access to true"),
        )
