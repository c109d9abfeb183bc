"""Which of the waiting calls have waited too long, without looking at those that have not."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from itertools import count

from forebay.gateway.queue.ticket import Ticket

_SLACK = 64


class Deadlines:
    """Tickets by deadline. One that left its line is dropped when it surfaces, or when such are half of all."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Ticket]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, ticket: Ticket, waiting: int) -> None:
        """`waiting` counts all tickets that stand in a line: what is kept is at most twice that, and a little."""
        heappush(self._heap, (ticket.deadline, next(self._numbers), ticket))
        if len(self._heap) > 2 * waiting + _SLACK:
            self._heap = [entry for entry in self._heap if entry[2].line is not None]
            heapify(self._heap)

    def expired(self, now: float) -> Ticket | None:
        """One whose deadline has come; it stays until it has left its line. None when there is none."""
        heap = self._heap
        while heap:
            deadline, _number, ticket = heap[0]
            if ticket.line is None:
                heappop(heap)
            elif deadline <= now:
                return ticket
            else:
                return None
        return None
