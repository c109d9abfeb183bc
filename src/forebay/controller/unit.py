"""What a unit should be, and what all who keep units share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import msgspec

from forebay.controller.journal import Journal
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.substrate.base import Substrate

Kind = Literal["engine", "worker", "admin", "audit", "edge", "valkey", "embedder", "watch"]


class Desired(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit should be. `make` builds its spec for a port; None for a server that is not ours to run.

    `port` 0 takes any. `drain_s` None: the unit finishes its own work when it is asked to stop. `place` says where an
    engine listens that is in a cluster: the unit is then its agent.
    """

    name: str
    kind: Kind
    digest: str
    port: int
    make: Callable[[int], UnitSpec] | None
    log: Path
    engine: EngineSpec | None = None
    drain_s: float | None = None
    prepare: Callable[[], Awaitable[None]] | None = None
    place: Path | None = None


class Turnstile:
    """Lets one unit at a time be replaced; the next one only after the one inside is ready."""

    def __init__(self) -> None:
        self.inside: str | None = None

    def enter(self, name: str) -> bool:
        """Pass, unless another one is inside."""
        self.inside = self.inside or name
        return self.inside == name

    def leave(self, name: str) -> None:
        if self.inside == name:
            self.inside = None


class Surroundings(msgspec.Struct, frozen=True):
    """What all keepers share. `changed` is set when a state changed.

    `is_busy`: whether calls may still reach an engine, or are there. `settle_s`: how long other machines may send calls
    to an engine that this one sends none any more.
    """

    substrate: Substrate
    journal: Journal
    changed: asyncio.Event
    is_busy: Callable[[str], bool]
    take_port: Callable[[str, int], int]
    turnstile: Turnstile
    settle_s: float = 0.0
