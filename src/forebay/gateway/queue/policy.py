"""What a snapshot says about waiting: the classes, highest first, and whose calls are in which."""

from __future__ import annotations

import msgspec

UNNAMED = ""
"""The one class there is where the file declares none."""


class QueueClass(msgspec.Struct, frozen=True, kw_only=True):
    """One class; see `gateway.queue.classes` of the configuration. None: as `gateway.queue` says for all."""

    name: str
    weight: int = 1
    reserved_ratio: float = 0.0
    calls: int | None = None
    wait_s: float | None = None


class QueuePolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How calls wait. `tenants` holds the class of those that have one of their own, all others have `default`."""

    classes: tuple[QueueClass, ...] = ()
    default: str = UNNAMED
    tenants: dict[str, str] = {}
    reject_early: bool = True
