"""What runs and is not what the release says, looked for every few seconds and told in the status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from forebay.config.schema import Config
from forebay.controller.desired import worker_ports
from forebay.controller.keeper import Keeper
from forebay.core.errors import ForebayError
from forebay.engines.record import UnitRecord
from forebay.release.drift import edge_drift, link_drift, unit_drift
from forebay.release.running import Running
from forebay.release.store import Store

_EVERY_S = 5.0


class Held(msgspec.Struct, frozen=True):
    """What should be, at one moment: the release, its configuration, and units with their slots and digests."""

    running: Running
    config: Config
    wanted: dict[str, str]
    slots: dict[str, str]


class DriftWatch:
    """`held` tells what should be, None while a change is under way; `observe` what is. `found` is told."""

    def __init__(
        self, held: Callable[[], Held | None], observe: Callable[[], dict[str, UnitRecord]], store: Store, edge: Path
    ) -> None:
        self.found: tuple[str, ...] = ()
        self._held, self._observe, self._store, self._edge = held, observe, store, edge

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_S)
            held = self._held()
            found = () if held is None else await asyncio.to_thread(self._look, held)
            self.found = found if self._held() is not None else ()

    def _look(self, held: Held) -> tuple[str, ...]:
        seen, running = self._observe(), held.running
        # What does not run is told as the state of that unit.
        living = {held.slots.get(name, name) for name, record in seen.items() if record.ended_at is None}
        wanted = {slot: digest for slot, digest in held.wanted.items() if slot in living}
        try:
            return (
                *unit_drift(wanted, seen, held.slots),
                *edge_drift(held.config, self._edge, worker_ports(held.config)),
                *link_drift(self._store, running.environment, running.release.name, running.release.digest),
            )
        except (ForebayError, OSError) as error:
            return (str(error),)


def held(running: Running | None, config: Config, keepers: Iterable[Keeper]) -> Held | None:
    """What should be; None without a release, or while another takes its place."""
    if running is None or running.change is not None:
        return None
    own = [keeper for keeper in keepers if keeper.desired.make is not None and not keeper.removed]
    wanted = {keeper.slot: keeper.desired.digest for keeper in own}
    return Held(running, config, wanted, {keeper.name: keeper.slot for keeper in own})
