"""Classes of calls that contradict one another, or do not exist."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.provenance import Node, Path
from forebay.config.schema import Config
from forebay.config.validate import locate
from forebay.core.errors import Finding
from forebay.core.units import show_duration
from forebay.messages import _

_CLASSES: Path = ("gateway", "queue", "classes")
_MOST_RESERVED = 0.9


def queue(config: Config, tree: Node) -> Iterator[Finding]:
    """Names said twice or of no class, reserves that leave nothing over, waits that no call can have."""
    yield from _names(config, tree)
    yield from _sizes(config, tree)


def _names(config: Config, tree: Node) -> Iterator[Finding]:
    names = [each.name for each in config.gateway.queue.classes]
    for index, name in enumerate(names):
        if name in names[:index]:
            why = _("there is a class {name} already").format(name=name)
            fix = _("Give each class a name of its own")
            where = locate(tree, (*_CLASSES, index, "name"))
            yield Finding(rule="queue_classes", severity="error", where=where, why=why, fix=fix)
    asked: list[tuple[Path, str | None]] = [(("gateway", "queue", "default"), config.gateway.queue.default)]
    asked += [(("tenants", tenant, "priority"), each.priority) for tenant, each in config.tenants.items()]
    for path, wanted in asked:
        if wanted is not None and wanted not in names:
            why = _("there is no class {name} in gateway.queue.classes").format(name=wanted)
            fix = _("Write one of: {names}").format(names=", ".join(names)) if names else _("Add it there")
            yield Finding(rule="queue_classes", severity="error", where=locate(tree, path), why=why, fix=fix)


def _sizes(config: Config, tree: Node) -> Iterator[Finding]:
    waiting = config.gateway.queue
    reserved = sum(each.reserved for each in waiting.classes)
    if reserved > _MOST_RESERVED + 1e-9:
        why = _("the classes reserve {share:.0%} of all places").format(share=reserved)
        fix = _("Leave at least a tenth to everybody: without it a class might never get a place")
        yield Finding(rule="queue_classes", severity="error", where=locate(tree, _CLASSES), why=why, fix=fix)
    for index, each in enumerate(waiting.classes):
        if each.wait is not None and each.wait > waiting.wait:
            why = _("no call may wait longer than gateway.queue.wait ({value})").format(
                value=show_duration(waiting.wait)
            )
            fix = _("Raise gateway.queue.wait, or lower this")
            where = locate(tree, (*_CLASSES, index, "wait"))
            yield Finding(rule="queue_classes", severity="error", where=where, why=why, fix=fix)
