"""Places at engines: a call takes one or waits for one here, so that engines never hold work nobody waits for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from forebay.gateway.call import Call
from forebay.gateway.fleet import EngineSlot, Fleet
from forebay.gateway.refusal import Refusal
from forebay.gateway.routing import Policy, choose

# Places also come free by what happens elsewhere: another worker's call ends, a suspension is over, a snapshot comes.
_LOOK_AGAIN_S = 0.005


class _Ticket:
    """One call's turn in the queue of its model."""

    __slots__ = ("avoid", "call", "deadline", "model")

    def __init__(self, call: Call, model: str, avoid: set[str], deadline: float) -> None:
        self.call = call
        self.model = model
        self.avoid = avoid
        self.deadline = deadline


class Admission:
    """Hands out places in the order of arrival, a queue for each model; `longest` calls may wait in all."""

    def __init__(self, fleet: Fleet, score: Policy, longest: int, clock: Callable[[], float]) -> None:
        self._fleet = fleet
        self._clock = clock
        self._queues: dict[str, deque[_Ticket]] = {}
        self._looking: asyncio.TimerHandle | None = None
        self.score = score
        self.longest = longest
        self.waiting = 0

    async def enter(self, call: Call, model: str, avoid: set[str], wait_until: float) -> EngineSlot:
        """Take a place at an engine for `model`, waiting for it until `wait_until` if need be.

        Raises Refusal: `queue_full` at once, `queue_timeout` when the wait is over.
        """
        engine = None if self._queues.get(model) else self._pick(model, avoid)
        if engine is None:
            engine = await self._wait(call, model, avoid, wait_until)
        return engine

    def leave(self, engine: EngineSlot) -> None:
        """Give a place back; whoever waits for one gets it in the next turn of the loop."""
        engine.leave()
        if self.waiting:
            asyncio.get_running_loop().call_soon(self._serve_queues)

    def _pick(self, model: str, avoid: set[str]) -> EngineSlot | None:
        engines = self._fleet.by_model.get(model, ())
        now = self._clock()
        engine = choose(engines, self.score, now, avoid)
        if engine is None and avoid and all(each.ref.name in avoid or not each.ref.routable for each in engines):
            engine = choose(engines, self.score, now, set())
        if engine is not None:
            engine.enter(now)
        return engine

    async def _wait(self, call: Call, model: str, avoid: set[str], wait_until: float) -> EngineSlot:
        if self.waiting >= self.longest:
            raise Refusal("queue_full", "Too many calls are waiting for this model.", retry_after_s=1)
        began_at = self._clock()
        ticket = _Ticket(call, model, avoid, wait_until)
        self._queues.setdefault(model, deque()).append(ticket)
        self.waiting += 1
        self._look_later()
        try:
            engine: EngineSlot = await call.wait(ticket)
        except BaseException:
            self._withdraw(ticket)
            raise
        finally:
            call.ledger.queue_s += self._clock() - began_at
        return engine

    def _withdraw(self, ticket: _Ticket) -> None:
        queue = self._queues.get(ticket.model)
        if queue is not None and ticket in queue:
            queue.remove(ticket)
            self.waiting -= 1

    def _serve_queues(self) -> None:
        now = self._clock()
        for queue in list(self._queues.values()):
            while queue:
                ticket = queue[0]
                engine = self._pick(ticket.model, ticket.avoid)
                if engine is None and ticket.deadline > now:
                    break
                queue.popleft()
                self.waiting -= 1
                if engine is not None:
                    ticket.call.signal(ticket, engine)
                else:
                    refusal = Refusal("queue_timeout", "No engine had a place in time.", retry_after_s=1)
                    ticket.call.fail(ticket, refusal)

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._look)

    def _look(self) -> None:
        self._looking = None
        self._serve_queues()
        if self.waiting:
            self._look_later()
