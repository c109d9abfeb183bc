"""The controllers of other machines, as this one sees them: told what it does while it leads, heard while it follows.

A controller that follows keeps its own machine's edge and gateway, and takes the engines from what the leader tells.
One that comes to lead takes those engines over where they are.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping

import msgspec

from forebay.controller.keeper import Keeper
from forebay.controller.lease.book import Book, Served
from forebay.controller.lease.shared import SharedLease
from forebay.controller.plan import Planned
from forebay.controller.status import Status, UnitStatus
from forebay.core.proc import Identity
from forebay.engines.record import UnitRecord
from forebay.engines.spec import EngineSpec
from forebay.messages.reasons import because
from forebay.release.running import Running

_LOOK_S = 0.05


class Peers:
    """Of a controller that has none: nothing is told, nothing heard. `settle_s`: until the others know what is told."""

    def __init__(self) -> None:
        self.follows = False
        self.settle_s = 0.0

    def own(self, units: dict[str, Planned]) -> dict[str, Planned]:
        """Those of `units` that this controller keeps."""
        return units

    def specs(self) -> tuple[EngineSpec, ...]:
        """Engines that the leader keeps, as this machine's gateway reaches them."""
        return ()

    def canaries(self, own: Mapping[str, str]) -> Mapping[str, str]:
        """Units of a rollout's engines, by slot."""
        return own

    def handed(self) -> dict[str, Served]:
        """Engines that are taken over from another leader; told once."""
        return {}

    def before(self, seen: UnitStatus) -> UnitStatus:
        """What the status said of a unit before, as it is now."""
        return seen

    def status(self, status: Status) -> Status:
        """The status with what this controller is among the others."""
        return status

    async def tell_change(self, running: Running | None) -> None:
        """What is to be brought about, before it is begun: whoever takes over must know of it."""

    def tell(self, running: Running | None, keepers: Iterable[Keeper], canaries: Mapping[str, str]) -> None:
        """What is so now."""


class Leading(Peers):
    """`left`: what the leader before told last, where this one goes on from there."""

    def __init__(self, shared: SharedLease, ttl_s: float, left: Book | None) -> None:
        super().__init__()
        self.settle_s = ttl_s
        self._shared = shared
        self._left = {} if left is None else {each.name: each for each in left.engines}
        self._told = left

    def handed(self) -> dict[str, Served]:
        found, self._left = self._left, {}
        return found

    async def tell_change(self, running: Running | None) -> None:
        if running is None:
            return
        engines, canaries = (self._told.engines, self._told.canaries) if self._told is not None else ((), {})
        self._say(Book(number=self._shared.number, running=running, engines=engines, canaries=canaries))
        by_s = time.monotonic() + self.settle_s
        # Longer makes no difference: a Valkey that is away for so long ends this leadership.
        while not self._shared.is_told() and time.monotonic() < by_s:  # noqa: ASYNC110  told by another thread
            await asyncio.sleep(_LOOK_S)

    def tell(self, running: Running | None, keepers: Iterable[Keeper], canaries: Mapping[str, str]) -> None:
        if running is None:
            return
        engines = tuple(found for each in keepers if (found := _served(each)) is not None)
        self._say(Book(number=self._shared.number, running=running, engines=engines, canaries=dict(canaries)))

    def _say(self, book: Book) -> None:
        if book != self._told:
            self._shared.tell(msgspec.json.encode(book))
            self._told = book


class Following(Peers):
    """`heard` gives what the leader told last."""

    def __init__(self, heard: Callable[[], Book], leader: Callable[[], str]) -> None:
        super().__init__()
        self.follows = True
        self._heard = heard
        self._leader = leader
        self._units: dict[str, Planned] = {}

    def own(self, units: dict[str, Planned]) -> dict[str, Planned]:
        self._units = units
        return {name: each for name, each in units.items() if each[0].kind != "engine" or each[0].make is None}

    def specs(self) -> tuple[EngineSpec, ...]:
        return tuple(
            msgspec.structs.replace(spec, name=each.name, argv=(), host=each.host, port=each.port)
            for each in self._heard().engines
            if not each.leaves and (spec := self._spec(each.slot)) is not None
        )

    def canaries(self, own: Mapping[str, str]) -> Mapping[str, str]:
        return self._heard().canaries

    def before(self, seen: UnitStatus) -> UnitStatus:
        # An engine that it held itself is only watched now: its agent's pid says nothing about it any more.
        engines = {each.name for each in self._heard().engines}
        return msgspec.structs.replace(seen, pid=0) if seen.name in engines else seen

    def status(self, status: Status) -> Status:
        leader, number = self._leader(), self._heard().number
        controller = msgspec.structs.replace(status.controller, leader=leader, lease=number, leads=False)
        state = "standby" if status.state == "ready" else status.state
        why = because("leads", leader=leader) if leader else because("another_leads")
        first = msgspec.structs.replace(status, state=state, controller=controller, reasons=(), causes=())
        return first.because(why, *status.causes)

    def _spec(self, slot: str) -> EngineSpec | None:
        return self._units[slot][0].engine if slot in self._units else None


def as_running(handed: Mapping[str, Served]) -> dict[str, UnitRecord]:
    """Engines that run elsewhere, as if their agents ran here."""
    nobody = Identity(0, 0, "")
    return {
        name: UnitRecord(name=name, digest=each.digest, port=each.port, holder=nobody, started_at=0.0)
        for name, each in handed.items()
    }


def _served(keeper: Keeper) -> Served | None:
    """None for what is not this controller's to keep, for engines of this machine alone, for what is nowhere yet."""
    spec = keeper.serving
    if spec is None or keeper.desired.place is None or not keeper.port or not keeper.digest:
        return None
    leaves = keeper.health.state in ("draining", "failed")
    return Served(
        name=keeper.name, slot=keeper.slot, host=spec.host, port=keeper.port, digest=keeper.digest, leaves=leaves
    )
