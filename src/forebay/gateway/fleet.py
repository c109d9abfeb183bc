"""The engines as one worker sees them: what each holds, whether it may take more, and the connections to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from forebay.gateway.siblings import Siblings
from forebay.gateway.snapshot import EngineRef
from forebay.gateway.upstream import EnginePool
from forebay.observe.catalogue import ENGINE_OUTSTANDING
from forebay.observe.page import CounterPage

_FIRST_SUSPENSION_S = 0.25
_LONGEST_SUSPENSION_S = 4.0


class EngineSlot:
    """One engine. `outstanding` counts this worker's calls at it; times are monotonic seconds.

    Suspension is what a worker learns by itself: an engine that refuses or resets is left alone for a while, longer
    each time, until it answers again. It needs no controller.
    """

    def __init__(self, ref: EngineRef, page: CounterPage, siblings: Siblings, clock: Callable[[], float]) -> None:
        self.ref = ref
        self.pool = EnginePool(ref.host, ref.port, clock)
        self.outstanding = 0
        self.taken_at = 0.0
        self.suspended_until = 0.0
        self._suspension_s = 0.0
        self._values = page.values
        self._index = page.index(ENGINE_OUTSTANDING, ref.name)
        self._siblings = siblings
        self._clock = clock

    def has_place(self, now: float) -> bool:
        """Whether one more call may go there.

        The calls of all workers count. Two workers that look at the same instant may exceed the bound by one.
        """
        return (
            self.ref.routable
            and self.suspended_until <= now
            and self.outstanding + self._siblings.outstanding(self.ref.name) < self.ref.max_outstanding
        )

    def enter(self, now: float) -> None:
        self.outstanding += 1
        self.taken_at = now
        self._values[self._index] += 1

    def leave(self) -> None:
        self.outstanding -= 1
        self._values[self._index] -= 1  # not assigned: an engine that moved to another port shares the series

    def failed(self) -> None:
        """It did not answer: leave it alone, twice as long as the last time."""
        self._suspension_s = min(max(_FIRST_SUSPENSION_S, self._suspension_s * 2), _LONGEST_SUSPENSION_S)
        self.suspended_until = self._clock() + self._suspension_s

    def answered(self) -> None:
        self._suspension_s = 0.0


class Fleet:
    """All engines by name and by model; they outlive snapshots, so that a reload keeps counts and connections."""

    def __init__(self, page: CounterPage, siblings: Siblings, clock: Callable[[], float]) -> None:
        self._page = page
        self._siblings = siblings
        self._clock = clock
        self._by_name: dict[str, EngineSlot] = {}
        self._retired: list[EngineSlot] = []
        self.by_model: dict[str, tuple[EngineSlot, ...]] = {}

    def update(self, engines: Iterable[EngineRef]) -> None:
        """Take the engines of a new snapshot."""
        kept: dict[str, EngineSlot] = {}
        for ref in engines:
            slot = self._by_name.pop(ref.name, None)
            if slot is None or (slot.ref.host, slot.ref.port) != (ref.host, ref.port):
                if slot is not None:
                    self._retire(slot)
                slot = EngineSlot(ref, self._page, self._siblings, self._clock)
            elif ref.routable and not slot.ref.routable:
                slot.suspended_until = 0.0  # the controller has just seen it answer
            slot.ref = ref
            kept[ref.name] = slot
        for gone in self._by_name.values():
            self._retire(gone)
        self._by_name = kept
        models = {slot.ref.model for slot in kept.values()}
        self.by_model = {model: tuple(s for s in kept.values() if s.ref.model == model) for model in models}

    def sweep(self, now: float) -> None:
        """End connections past their deadline, those of engines that are leaving included."""
        for slot in (*self._by_name.values(), *self._retired):
            slot.pool.sweep(now)
        self._retired = [slot for slot in self._retired if slot.pool.open_connections]

    def routable(self, model: str) -> bool:
        return any(slot.ref.routable for slot in self.by_model.get(model, ()))

    def largest_bound(self) -> int:
        """Most calls that one engine holds: what its death throws back at once."""
        return max((slot.ref.max_outstanding for slot in self._by_name.values()), default=1)

    def _retire(self, slot: EngineSlot) -> None:
        slot.pool.close()
        self._retired.append(slot)
