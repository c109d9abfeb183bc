"""The calls of one class that wait for one model: tenants share alike, each tenant's calls in order of arrival.

Start-time fair queuing (Goyal, Vin and Cheng, 1996): between two tenants that both keep calls waiting, the tokens
granted differ by no more than the largest call of each. Deficit round robin was the other choice: its bound has a
quantum on top, which must be as large as the largest call.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from itertools import count

from forebay.gateway.queue.ticket import Line, Ticket


class _Tenant:
    """`start` is the tag of its first waiting call, `finish` of what it was granted last; both in tokens."""

    __slots__ = ("finish", "line", "listed", "start", "tokens")

    def __init__(self) -> None:
        self.line = Line()
        self.start = 0.0
        self.finish = 0.0
        self.tokens = 0
        self.listed = False


class ClassLine:
    """One class. `start` and `finish` are its own tags among the classes, in tokens by weight.

    `waiting` counts its calls in line, `tokens` is their sum. What is kept is bounded by them and by the tenants.
    """

    def __init__(self, name: str, weight: int) -> None:
        self.name = name
        self.weight = weight
        self.waiting = 0
        self.tokens = 0
        self.start = 0.0
        self.finish = 0.0
        self._now = 0.0
        self._tenants: dict[str, _Tenant] = {}
        self._heap: list[tuple[float, int, _Tenant]] = []
        self._numbers = count()

    def push(self, ticket: Ticket) -> None:
        tenant = self._tenants.get(ticket.tenant)
        if tenant is None:
            tenant = self._tenants[ticket.tenant] = _Tenant()
        if not tenant.listed:
            # One that comes back starts where the others are, or behind what it has had: idling saves nothing up.
            tenant.start = max(self._now, tenant.finish)
            tenant.listed = True
            heappush(self._heap, (tenant.start, next(self._numbers), tenant))
        tenant.line[ticket] = None
        tenant.tokens += ticket.cost_tokens
        ticket.line = tenant.line
        self.waiting += 1
        self.tokens += ticket.cost_tokens

    def head(self) -> Ticket | None:
        """Who is next; None when nobody waits."""
        while self._heap:
            tenant = self._heap[0][2]
            if tenant.line:
                return next(iter(tenant.line))
            heappop(self._heap)  # its calls have left; its tag is not behind the others', so nothing is gained by it
            tenant.listed = False
        return None

    def take(self, ticket: Ticket) -> None:
        """Take out the head and charge its tenant."""
        tenant = self._tenants[ticket.tenant]
        self._now = tenant.start
        tenant.finish = tenant.start = tenant.start + ticket.cost_tokens
        self._remove(tenant, ticket)
        if tenant.line:
            heapreplace(self._heap, (tenant.start, next(self._numbers), tenant))
        else:
            heappop(self._heap)
            tenant.listed = False

    def withdraw(self, ticket: Ticket) -> None:
        """Take out any ticket; nothing is charged."""
        self._remove(self._tenants[ticket.tenant], ticket)

    def ahead_tokens(self, tenant_name: str, cost_tokens: int) -> int:
        """What would be granted before a call that came now: its tenant's own, and of each other at most as much."""
        tenant = self._tenants.get(tenant_name)
        own = tenant.tokens if tenant is not None else 0
        others = len(self._heap) - (tenant is not None and tenant.listed)
        return min(self.tokens, own + others * (own + cost_tokens))

    def clear(self) -> None:
        """Forget what everybody has had: nobody waits any more, so nobody was kept waiting by it."""
        self._tenants.clear()
        self._heap.clear()
        self._now = self.start = self.finish = 0.0

    def _remove(self, tenant: _Tenant, ticket: Ticket) -> None:
        del tenant.line[ticket]
        ticket.line = None
        tenant.tokens -= ticket.cost_tokens
        self.waiting -= 1
        self.tokens -= ticket.cost_tokens
