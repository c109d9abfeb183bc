"""Places at engines: a call takes one or waits for one here, so that engines never hold work nobody waits for.

Who of those that wait is next is for `gateway.queue` to say, which engine takes it for `gateway.routing`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Set
from functools import partial
from typing import cast

from forebay.gateway.call import Call
from forebay.gateway.fleet import EngineSlot, Fleet
from forebay.gateway.queue.line import Lines
from forebay.gateway.queue.policy import QueuePolicy
from forebay.gateway.queue.reserve import Reserve
from forebay.gateway.queue.ticket import Ticket
from forebay.gateway.refusal import Refusal
from forebay.gateway.residency import serves
from forebay.gateway.routing.want import tokens_of
from forebay.gateway.screen import Asked

# Places also come free by what happens elsewhere: another worker's call ends, a suspension is over, a snapshot comes.
_LOOK_AGAIN_S = 0.005


class Admission:
    """Hands out places, a line for each model; `lines` counts who waits.

    `longest` calls of a class may wait where the class says nothing of its own.
    """

    def __init__(self, fleet: Fleet, longest: int, clock: Callable[[], float]) -> None:
        self._fleet = fleet
        self._clock = clock
        self._looking: asyncio.TimerHandle | None = None
        self._serving: asyncio.Handle | None = None
        self._entered_at: dict[str, float] = {}
        self.lines = Lines(QueuePolicy(), longest)
        self._reserve: Reserve | None = None

    @property
    def waiting(self) -> int:
        return self.lines.waiting

    def use(self, policy: QueuePolicy, longest: int) -> None:
        """Take the policy of a new snapshot; who waits keeps its turn, and its class where there still is one."""
        self.lines.use(policy, longest)
        self._reserve = Reserve(policy.classes) or None

    async def enter(
        self, call: Call, name: str, avoid: Set[str], wait_until: float, asked: Asked | None = None
    ) -> EngineSlot:
        """Take a place at an engine for the model or adapter `name`, waiting for it until `wait_until` if need be.

        `asked` tells how much work the call is. Raises Refusal: `queue_full` and `wait_too_long` at once,
        `queue_timeout` when the wait is over.
        """
        engine = self.take(call, name, avoid) or await self._wait(call, name, avoid, wait_until, asked)
        while asked is not None and asked.region and engine.ref.name not in avoid and not serves(engine.ref, asked):
            # It came after the call, from a region that the call must not leave for.
            self.leave(engine, call)
            engine.withdrawn()
            avoid = {*avoid, engine.ref.name}
            engine = self.take(call, name, avoid) or await self._wait(call, name, avoid, wait_until, asked)
        return engine

    def take(self, call: Call, name: str, avoid: Set[str]) -> EngineSlot | None:
        """A place at once; None where there is none, or where others wait for it already: then `enter` waits too."""
        lines = self.lines
        if (not lines.waiting or not lines.wait_for(self._fleet.model_of(name))) and (
            self._reserve is None or self._may_take(name, call.ledger.priority)
        ):
            return self._pick(call, name, avoid)
        return None

    def leave(self, engine: EngineSlot, call: Call | None = None) -> None:
        """Give a place back; whoever waits for one gets it in the next turn of the loop."""
        if call is None:
            engine.leave()
        else:
            engine.leave(call.want)
            if call.ledger.priority:
                self._fleet.classes.leave(engine.ref.model, call.ledger.priority)
        if self.lines.waiting:
            self._serve_soon()

    def _pick(self, call: Call, name: str, avoid: Set[str]) -> EngineSlot | None:
        now = self._clock()
        engine = self._fleet.choose(name, call.want, now, avoid)
        if engine is not None:
            engine.enter(call.want)
            self._entered_at[engine.ref.model] = now
            if call.ledger.priority:
                self._fleet.classes.enter(engine.ref.model, call.ledger.priority)
        return engine

    def _may_take(self, name: str, priority: str) -> bool:
        model = self._fleet.model_of(name)
        free, total = self._fleet.room(model, self._clock())
        held = partial(self._fleet.classes.count, model)
        return self._reserve is None or self._reserve.may_take(priority, held, free, total)

    async def _wait(self, call: Call, name: str, avoid: Set[str], wait_until: float, asked: Asked | None) -> EngineSlot:
        ticket = Ticket(call, name, wait_until, avoid=avoid)
        ticket.model = self._fleet.model_of(name)
        ticket.priority, ticket.tenant = call.ledger.priority, call.ledger.tenant
        ticket.cost_tokens = max(1, tokens_of(asked.body, asked.fields) if asked is not None else call.want.tokens)
        began_at = self._clock()
        places = self._fleet.room(ticket.model, began_at)[1]
        self.lines.join(ticket, began_at, places=places, full_since=self._entered_at.get(ticket.model, began_at))
        if self._reserve:
            self._serve_soon()  # a place may be free that those before it may not have
        self._look_later()
        try:
            engine: EngineSlot = await call.wait(ticket)
        except BaseException:
            self.lines.leave(ticket)
            raise
        finally:
            call.ledger.queue_s += self._clock() - began_at
        return engine

    def _serve_soon(self) -> None:
        if self._serving is None:
            self._serving = asyncio.get_running_loop().call_soon(self._serve_lines)

    def _serve_lines(self) -> None:
        self._serving = None
        now = self._clock()
        for ticket, retry_after_s in self.lines.expired(now):
            refusal = Refusal("queue_timeout", "No engine had a place in time.", retry_after_s=retry_after_s)
            cast("Call", ticket.owner).fail(ticket, refusal)
        may_take = self._may_take if self._reserve else None
        for ticket, engine in self.lines.grants(now, self._place, may_take):
            cast("Call", ticket.owner).signal(ticket, engine)

    def _place(self, ticket: Ticket) -> tuple[EngineSlot | None, bool]:
        """An engine for this ticket; where there is none, whether another ticket might still find one."""
        engine = self._pick(cast("Call", ticket.owner), ticket.name, ticket.avoid)
        return engine, engine is not None or self._fleet.room(ticket.model, self._clock())[0] > 0

    def _look_later(self) -> None:
        if self._looking is None:
            self._looking = asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self._look)

    def _look(self) -> None:
        self._looking = None
        for model in self.lines.models():
            if not self._fleet.routable(model):
                self.lines.rest(model, self._clock())
        self._serve_lines()
        if self.lines.waiting:
            self._look_later()
