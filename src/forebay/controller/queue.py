"""The queue's part of a snapshot, from the configuration. Pure."""

from __future__ import annotations

from forebay.config.schema import Config
from forebay.gateway.queue.policy import UNNAMED, QueueClass, QueuePolicy


def queue_policy(config: Config) -> QueuePolicy:
    """The classes, and whose calls are in which."""
    queue = config.gateway.queue
    classes = tuple(
        QueueClass(name=each.name, weight=each.weight, reserved_ratio=each.reserved, calls=each.calls, wait_s=each.wait)
        for each in queue.classes
    )
    return QueuePolicy(
        classes=classes,
        default=queue.default or (classes[-1].name if classes else UNNAMED),
        tenants={name: tenant.priority for name, tenant in config.tenants.items() if tenant.priority is not None},
        reject_early=queue.reject_early,
    )
