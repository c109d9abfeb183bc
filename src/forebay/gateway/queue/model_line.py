"""All calls that wait for one model: which class is next, and how long a call that came now would wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from forebay.gateway.queue.policy import QueueClass
from forebay.gateway.queue.rate import ServiceRate
from forebay.gateway.queue.tenants import ClassLine
from forebay.gateway.queue.ticket import Line, Ticket

MOST_ASIDE = 8
"""Calls that may be passed over because no free engine suits them; behind the next such call all wait."""


class ModelLine:
    """The law, among classes that wait and may take a place: the one that has had least of its share is next.

    Start-time fair queuing again, tokens divided by weight: a class gets at least its weight's part of what is
    granted while it waits, less one call; equals go in the order of the file. So a class of large weight that comes
    to a queue goes before the others until it has had its share, and none ever stands still.
    """

    def __init__(self, classes: Sequence[QueueClass], default: str) -> None:
        self.lines = tuple(ClassLine(each.name, each.weight) for each in classes)
        self._by_name = {line.name: line for line in self.lines}
        self._default = self._by_name.get(default, self.lines[-1])
        self._aside = Line()
        self._reached = 0.0
        self.rate = ServiceRate()

    @property
    def waiting(self) -> int:
        return sum([line.waiting for line in self.lines]) + len(self._aside)

    def push(self, ticket: Ticket, now: float) -> None:
        """Put a call into line."""
        ticket.joined_at = now
        if not self.waiting:
            self.rate.skip_to(now)
        line = self._line(ticket)
        if not line.waiting:
            line.start = max(self._reached, line.finish)
        line.push(ticket)

    def head(self, may_take: Callable[[str], bool] | None) -> Ticket | None:
        """Who is next of the classes that may take a place; None when there is nobody."""
        best: ClassLine | None = None
        for line in self.lines:
            if not line.waiting:
                continue
            if may_take is not None and not may_take(line.name):
                line.start = max(line.start, self._reached)  # no claim grows from places it could not have had
            elif best is None or line.start < best.start:
                best = line
        return best.head() if best is not None else None

    def take(self, ticket: Ticket, now: float) -> None:
        """The head has its place."""
        self._charge(ticket)
        self._granted(ticket, now)

    def pass_over(self, ticket: Ticket) -> bool:
        """Set the head aside, so that those behind it need not wait for the engine it needs; False: too many are."""
        if len(self._aside) >= MOST_ASIDE:
            return False
        self._charge(ticket)
        self._aside[ticket] = None
        ticket.line = self._aside
        return True

    def aside(self) -> list[Ticket]:
        """Those whose turn has come already, first come first."""
        return list(self._aside)

    def take_aside(self, ticket: Ticket, now: float) -> None:
        """One of them has its place."""
        self.withdraw(ticket)
        self._granted(ticket, now)

    def withdraw(self, ticket: Ticket) -> None:
        """The call leaves the line without a place."""
        if ticket.line is self._aside:
            del self._aside[ticket]
            ticket.line = None
        else:
            self._line(ticket).withdraw(ticket)
        self._settle()

    def drain(self) -> Iterator[Ticket]:
        """Take out everybody, in order of arrival: the classes are about to change."""
        everybody = list(self._aside)
        self._aside.clear()
        for line in self.lines:
            while (ticket := line.head()) is not None:
                line.take(ticket)
                everybody.append(ticket)
        everybody.sort(key=lambda ticket: ticket.joined_at)
        yield from everybody

    def predicted_wait_s(self, ticket: Ticket, now: float) -> float | None:
        """How long a call that came now would wait behind those that wait already; None: too little was seen yet.

        Fluid: while its own class grants what is ahead of it there, every other class grants its weight's part of
        that, or all it has. Right within two service times and a tenth of itself while the service is steady; calls of
        heavier classes that come later make it longer.
        """
        rate = self.rate.tokens_s(now)
        if rate is None:
            return None
        line = self._line(ticket)
        own = line.ahead_tokens(ticket.tenant, ticket.cost_tokens) + ticket.cost_tokens
        share = own / line.weight
        others = sum([min(other.tokens, share * other.weight) for other in self.lines if other is not line])
        return (own + others) / rate if rate > 0 else float("inf")

    def _line(self, ticket: Ticket) -> ClassLine:
        return self._by_name.get(ticket.priority, self._default)

    def _charge(self, ticket: Ticket) -> None:
        line = self._line(ticket)
        line.take(ticket)
        self._reached = max(self._reached, line.start)
        line.finish = line.start = line.start + ticket.cost_tokens / line.weight

    def _granted(self, ticket: Ticket, now: float) -> None:
        self.rate.granted(ticket.cost_tokens, now)
        self._settle()

    def _settle(self) -> None:
        if not self.waiting:
            self._reached = 0.0
            for line in self.lines:
                line.clear()
