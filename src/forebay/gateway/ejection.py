"""Which engines a worker has ejected, what it tells of it, and the bound on how many there may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from forebay.gateway.routing.policy import BreakerPolicy
from forebay.observe.catalogue import BREAKER_CHANGES, ENGINE_EJECTED
from forebay.observe.page import CounterPage

if TYPE_CHECKING:
    from forebay.gateway.fleet import EngineSlot


_SAID = {
    "open": "an engine is ejected: too many of its calls failed",
    "half_open": "an ejected engine is asked again, one call at a time",
    "closed": "an ejected engine answers again",
}


class Change(msgspec.Struct, frozen=True):
    """A breaker changed its state, for the log."""

    engine: str
    model: str
    state: str
    reason: str

    @property
    def level(self) -> str:
        return "warning" if self.state == "open" else "info"

    @property
    def message(self) -> str:
        return _SAID[self.state]


class Ejection:
    """Shared by the slots of one worker. `changes` are taken by the sweep, which writes them to the log."""

    def __init__(self, page: CounterPage) -> None:
        self.policy = BreakerPolicy()
        self.changes: list[Change] = []
        self.by_model: dict[str, tuple[EngineSlot, ...]] = {}
        self._page = page

    def allows(self, slot: EngineSlot) -> bool:
        """Whether one more engine of the model may go: never the last, and no more than the share.

        One of several may always go: half of two is one, and a share below that would never eject any.
        """
        peers = [each for each in self.by_model.get(slot.ref.model, ()) if each.ref.routable and each is not slot]
        ejected = sum(each.ejected for each in peers)
        most = max(1, int(self.policy.max_ejected_ratio * (len(peers) + 1)))
        return ejected + 1 <= min(most, len(peers))

    def relent(self, now: float) -> None:
        """Where the engines that were left are gone too, the ejected ones are asked at once: some answer beats none."""
        for slots in self.by_model.values():
            routable = [each for each in slots if each.ref.routable]
            if routable and all(each.ejected for each in routable):
                for each in routable:
                    each.suspended_until = min(each.suspended_until, now) if each.waits_out() else each.suspended_until

    def tell(self, slot: EngineSlot, state: str, reason: str = "") -> None:
        """Count and note a change of `slot`."""
        self._page.values[self._page.index(BREAKER_CHANGES, slot.ref.name, state)] += 1
        self._page.values[self._page.index(ENGINE_EJECTED, slot.ref.name)] = float(slot.ejected)
        self.changes.append(Change(slot.ref.name, slot.ref.model, state, reason))

    def take_changes(self) -> list[Change]:
        changes, self.changes = self.changes, []
        return changes
