"""The engines as one worker sees them: what each holds, whether it may take more, and the connections to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set

from forebay.gateway.breaker import Breaker
from forebay.gateway.budget import RetryBudget
from forebay.gateway.ejection import Ejection
from forebay.gateway.pool import EnginePool
from forebay.gateway.queue.held import HeldPlaces
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.choice import Group, Plan, grouped, plan_of
from forebay.gateway.routing.policy import BreakerPolicy
from forebay.gateway.routing.want import NOTHING, Want
from forebay.gateway.siblings import Siblings
from forebay.gateway.snapshot import EngineRef
from forebay.observe.catalogue import ENGINE_OUTSTANDING, ENGINE_REQUESTS, ENGINE_TOKENS
from forebay.observe.page import CounterPage

_FIRST_SUSPENSION_S = 0.25
_LONGEST_SUSPENSION_S = 4.0
_NEVER = float("inf")
# This near its bound, what the other workers hold is looked at and not remembered.
_NEAR_CALLS = 32
# These say something of the answer, not of the engine; and a refused connection costs no call: suspension is enough.
_NO_EVIDENCE = {"event_too_long", "refused"}


class EngineSlot(Candidate):
    """One engine. `outstanding` counts this worker's calls at it; times are monotonic seconds.

    Suspension is what a worker learns by itself: an engine that refuses or resets is left alone for a while, longer
    each time, until it answers again. The breaker looks at the rate over a window and leaves it alone for longer.
    Neither needs the controller.
    """

    def __init__(
        self, ref: EngineRef, page: CounterPage, siblings: Siblings, ejection: Ejection, clock: Callable[[], float]
    ) -> None:
        super().__init__(ref)
        self.pool = EnginePool(ref.host, ref.port, clock, ref.tls)
        self.breaker = Breaker(ejection.policy)
        self._ejection = ejection
        self._suspension_s = 0.0
        self._values = page.values
        self._index = page.index(ENGINE_OUTSTANDING, ref.name)
        self._tokens_index = page.index(ENGINE_TOKENS, ref.name)
        self._ends: dict[str, int] = {}
        self._page = page
        self._siblings = siblings
        self._clock = clock

    def held(self) -> int:
        """Calls of all workers. Two that look at the same instant may exceed a bound on it by one."""
        return self.outstanding + self._siblings.outstanding(self.ref.name)

    def held_tokens(self) -> int:
        return self.tokens + self._siblings.outstanding_tokens(self.ref.name)

    def has_place(self, now: float) -> bool:
        ref = self.ref
        if not ref.routable or self.suspended_until > now:
            return False
        free = ref.max_outstanding - self.outstanding
        if self._siblings.none:
            return free > 0
        if free > self._siblings.outstanding_lately(ref.name, now) + _NEAR_CALLS:
            return True
        return free > self._siblings.outstanding(ref.name)

    def enter(self, want: Want = NOTHING) -> None:
        """A call takes a place; at an ejected engine whose time is over it is the probe, and the only one."""
        self.took(want)
        self._values[self._index] += 1
        if want is not NOTHING:
            self._values[self._tokens_index] += want.tokens
        if self.ejected:
            self.suspended_until = _NEVER
            self.breaker.probe()
            self._ejection.tell(self, "half_open")

    def leave(self, want: Want = NOTHING) -> None:
        self.gave_back(want)
        self._values[self._index] -= 1  # not assigned: an engine that moved to another port shares the series
        if want is not NOTHING:
            self._values[self._tokens_index] -= want.tokens

    def ended(self, outcome: str) -> None:
        """Count how a call at it ended, a bounded word."""
        index = self._ends.get(outcome)
        if index is None:
            index = self._ends[outcome] = self._page.index(ENGINE_REQUESTS, self.ref.name, outcome)
        self._values[index] += 1

    def answered(self) -> None:
        """It answered, be it a client's error."""
        self._suspension_s = 0.0
        self.breaker.answered += 1
        if self.ejected and self.breaker.state == "half_open":
            self.readmit("closed")

    def failed(self, reason: str = "") -> None:
        """It did not answer: leave it alone, twice as long as the last time."""
        self._suspension_s = min(max(_FIRST_SUSPENSION_S, self._suspension_s * 2), _LONGEST_SUSPENSION_S)
        if not self.ejected:
            self.suspended_until = self._clock() + self._suspension_s
        self.erred(reason)

    def erred(self, reason: str) -> None:
        """Evidence against it: a failure to answer, an answer of 500 and above, a cut stream."""
        if reason in _NO_EVIDENCE and self.breaker.state != "half_open":
            return
        trips = self.breaker.fail() and self._ejection.allows(self)
        if trips or self.breaker.state == "half_open":
            self.breaker.open(self._clock())
            self.ejected = True
            self.suspended_until = self.breaker.open_until
            self._ejection.tell(self, "open", reason)

    def withdrawn(self) -> None:
        """A call left for reasons that are not the engine's; if it was the probe, the next call is."""
        if self.ejected and self.breaker.state == "half_open":
            self.suspended_until = self._clock()

    def waits_out(self) -> bool:
        """Whether it is ejected without a probe under way."""
        return self.ejected and self.breaker.state == "open"

    def readmit(self, state: str) -> None:
        self.breaker.close()
        self.ejected = False
        self.suspended_until = 0.0
        self._ejection.tell(self, state)


class Fleet:
    """All engines by name and by model; they outlive snapshots, so that a reload keeps counts and connections.

    `groups` holds the engines of each model and of each adapter, ready to be chosen from.
    """

    def __init__(self, page: CounterPage, siblings: Siblings, clock: Callable[[], float]) -> None:
        self._page = page
        self._siblings = siblings
        self._clock = clock
        self._by_name: dict[str, EngineSlot] = {}
        self._retired: list[EngineSlot] = []
        self._plans: Mapping[str, Plan] = {}
        self.ejection = Ejection(page)
        self.classes = HeldPlaces(page, siblings)
        self.by_model: dict[str, tuple[EngineSlot, ...]] = {}
        self.groups: dict[str, Group[EngineSlot]] = {}

    def update(self, engines: Iterable[EngineRef]) -> None:
        """Take the engines of a new snapshot."""
        kept: dict[str, EngineSlot] = {}
        now, first = self._clock(), not self._by_name
        for ref in engines:
            slot = self._by_name.pop(ref.name, None)
            was_routable = slot is not None and slot.ref.routable
            if slot is None or (slot.ref.host, slot.ref.port, slot.ref.tls) != (ref.host, ref.port, ref.tls):
                if slot is not None:
                    self._retire(slot)
                slot, was_routable = self._new(ref), False
            slot.ref = ref
            if ref.routable and not was_routable:
                # Whether what a worker finds at its own start is cold it cannot know, and all of it at once is no help.
                self._admit(slot, now, cold=not first)
            kept[ref.name] = slot
        for gone in self._by_name.values():
            self._retire(gone)
        self._by_name = kept
        models = {slot.ref.model for slot in kept.values()}
        self.by_model = {model: tuple(s for s in kept.values() if s.ref.model == model) for model in models}
        self.ejection.by_model = self.by_model
        self._regroup()

    def route(self, plans: Mapping[str, Plan], breaker: BreakerPolicy) -> None:
        """Take the routing policies of a new snapshot, by model and adapter."""
        self._plans = plans
        self.ejection.policy = breaker
        for slot in self._by_name.values():
            slot.breaker.policy = breaker
            if slot.ejected and not breaker.enabled:
                slot.readmit("closed")
        self._regroup()

    def choose(self, name: str, want: Want, now: float, avoid: Set[str]) -> EngineSlot | None:
        """An engine with a place for the model or adapter `name`; None when none has one."""
        group = self.groups.get(name)
        return None if group is None else group.choose(want, now, avoid)

    def model_of(self, name: str) -> str:
        """The model under an adapter; a model's own name."""
        group = self.groups.get(name)
        return group.engines[0].ref.model if group is not None else name

    def room(self, model: str, now: float) -> tuple[int, int]:
        """Free places and all places of a model's engines that take calls now."""
        free = total = 0
        for slot in self.by_model.get(model, ()):
            if slot.ref.routable and slot.suspended_until <= now:
                total += slot.ref.max_outstanding
                free += max(0, slot.ref.max_outstanding - slot.held())
        return free, total

    def sweep(self, now: float) -> None:
        """End connections past their deadline, those of engines that are leaving included; move the windows on."""
        for slot in (*self._by_name.values(), *self._retired):
            slot.pool.sweep(now)
            slot.breaker.roll(now)
            if slot.ejected and slot.outstanding == 0:
                slot.withdrawn()  # whatever became of the probe, there is none now
        self.ejection.relent(now)
        self._retired = [slot for slot in self._retired if slot.pool.open_connections]

    def routable(self, model: str) -> bool:
        group = self.groups.get(model)
        return group is not None and any(slot.ref.routable for slot in group.engines)

    def retry_budget(self, ratio: float) -> RetryBudget:
        """The budget of all workers, sized for these engines."""
        return RetryBudget(ratio, 2.0 * self.largest_bound(), self._page, self._siblings)

    def largest_bound(self) -> int:
        """Most calls that one engine holds: what its death throws back at once."""
        return max((slot.ref.max_outstanding for slot in self._by_name.values()), default=1)

    def _new(self, ref: EngineRef) -> EngineSlot:
        return EngineSlot(ref, self._page, self._siblings, self.ejection, self._clock)

    def _admit(self, slot: EngineSlot, now: float, *, cold: bool) -> None:
        """The controller has just seen it answer: nothing that was known of it holds any more."""
        slot.suspended_until = 0.0
        if slot.ejected:
            slot.readmit("closed")
        slot.started(now, cold=cold)

    def _regroup(self) -> None:
        before, self.groups = self.groups, {}
        for name, slots in grouped(tuple(self._by_name.values())).items():
            plan = self._plans.get(name) or plan_of()
            group = self.groups[name] = before.get(name) or Group(plan)
            group.update(slots, plan)

    def _retire(self, slot: EngineSlot) -> None:
        slot.pool.close()
        self._retired.append(slot)
