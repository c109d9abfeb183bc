"""A service for the queue, in simulated time: places that each take a call for as long as its tokens say."""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import count

from forebay.gateway.queue.line import Lines
from forebay.gateway.queue.policy import QueueClass, QueuePolicy
from forebay.gateway.queue.reserve import Reserve
from forebay.gateway.queue.ticket import Ticket

CLASSES = (
    QueueClass(name="interactive", weight=16),
    QueueClass(name="standard", weight=4),
    QueueClass(name="batch", weight=1),
)


def policy(*classes: QueueClass, **others: object) -> QueuePolicy:
    """A policy of these classes, the last of them the default."""
    return QueuePolicy(classes=classes, default=classes[-1].name if classes else "", **others)  # type: ignore[arg-type]


class Service:
    """`granted` holds tickets in order, `waited_s` how long each of them waited; `now` moves with `run`."""

    def __init__(self, rules: QueuePolicy, places: int = 1, *, longest: int = 100_000, tokens_s: float = 100.0) -> None:
        self.lines = Lines(rules, longest)
        self.reserve = Reserve(rules.classes)
        self.places = places
        self.tokens_s = tokens_s
        self.now = 0.0
        self._full_since = 0.0
        self.granted: list[Ticket] = []
        self.waited_s: dict[Ticket, float] = {}
        self.held: Counter[str] = Counter()
        self._running: list[tuple[float, int, Ticket]] = []
        self._numbers = count()

    def join(self, tenant: str = "t", name: str = "", tokens: int = 100, wait_s: float = 1e9) -> Ticket:
        """A call that waits, whether or not a place is free."""
        ticket = Ticket(self, "m", self.now + wait_s)
        ticket.tenant, ticket.priority, ticket.cost_tokens = tenant, name, tokens
        self.lines.join(ticket, self.now, places=self.places, full_since=self._full_since)
        return ticket

    def arrive(self, tokens: int) -> Ticket:
        """A call that takes a free place at once, and waits only where there is none."""
        if self.lines.waiting or self.running >= self.places:
            return self.join(tokens=tokens)
        ticket = Ticket(self, "m", 1e9)
        ticket.tenant = "t"
        ticket.cost_tokens = tokens
        self._place(ticket)
        self._full_since = self.now
        self.waited_s[ticket] = 0.0
        return ticket

    def serve(self) -> None:
        """Fill the places that are free."""
        may_take = self._may_take if self.reserve else None
        for ticket, _engine in self.lines.grants(self.now, self._place, may_take):
            self.granted.append(ticket)
            self.waited_s[ticket] = self.now - ticket.joined_at

    def run(self, until: float) -> None:
        """Let calls end and others take their places, up to a moment."""
        self.serve()
        while self._running and self._running[0][0] <= until:
            self.finish_one()
            self.serve()
        self.now = until

    def finish_one(self) -> None:
        """The call that ends first ends."""
        self.now, _number, ticket = heapq.heappop(self._running)
        self.held[ticket.priority] -= 1

    @property
    def running(self) -> int:
        return len(self._running)

    def _may_take(self, _model: str, name: str) -> bool:
        return self.reserve.may_take(name, self.held.__getitem__, self.places - self.running, self.places)

    def _place(self, ticket: Ticket) -> tuple[object | None, bool]:
        if self.running >= self.places:
            return None, False
        self.held[ticket.priority] += 1
        heapq.heappush(self._running, (self.now + ticket.cost_tokens / self.tokens_s, next(self._numbers), ticket))
        return self, True
