"""Long searches take turns: whoever sends much to search waits for itself, and keeps nobody else waiting.

Between two turns the worker does everything else that it has to do; of several tenants each has its turn before one has
another.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, TypeVar

from forebay.gateway.refusal import Refusal

if TYPE_CHECKING:
    from forebay.gateway.call import Call

TURN_S = 0.001
"""After so long somebody else has a turn; a single step of a search takes a few times as long at worst."""
MOST_BYTES = 64 * 1024 * 1024
"""Of one tenant's requests that wait for their turn; each is held a few times over."""

_Result = TypeVar("_Result")


class Turns:
    """One a loop: those of a worker's parts."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[Call, object]]] = {}
        self._held_bytes: dict[str, int] = {}

    async def take(self, call: Call, steps: Generator[None, None, _Result], held_bytes: int = 0) -> _Result:
        """Do all of `steps`, while `held_bytes` of the call are in memory.

        What ends the call meanwhile is raised here, and the rest is not done. Raises Refusal where the tenant has more
        waiting than it may have.
        """
        until, waits = time.perf_counter() + TURN_S, False
        try:
            while True:
                next(steps)
                if time.perf_counter() >= until:
                    if not waits:
                        self._hold(call, held_bytes)
                        waits = True
                    await self._next(call)
                    until = time.perf_counter() + TURN_S
        except StopIteration as end:
            result: _Result = end.value
            return result
        finally:
            steps.close()
            if waits:
                self._let_go(call, held_bytes)

    def _hold(self, call: Call, held_bytes: int) -> None:
        before = self._held_bytes.get(call.ledger.tenant, 0)
        if before and held_bytes and before + held_bytes > MOST_BYTES:
            raise Refusal("queue_full", "Too much of this tenant's waits to be searched.", retry_after_s=1)
        self._held_bytes[call.ledger.tenant] = before + held_bytes

    def _let_go(self, call: Call, held_bytes: int) -> None:
        left = self._held_bytes.pop(call.ledger.tenant, 0) - held_bytes
        if left > 0:
            self._held_bytes[call.ledger.tenant] = left

    async def _next(self, call: Call) -> None:
        mine = object()
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
        self._waiting.setdefault(call.ledger.tenant, deque()).append((call, mine))
        await call.wait(mine)

    def _give(self) -> None:
        """Give one its turn; the next is given once the loop has been around."""
        tenant = next(iter(self._waiting))
        others = self._waiting.pop(tenant)
        call, token = others.popleft()
        if others:
            self._waiting[tenant] = others  # behind all other tenants
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
        call.signal(token, None)


def at_once(steps: Generator[None, None, _Result]) -> _Result:
    """Do all of `steps` in one turn, for what is as long as an engine has had time to say."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _Result = end.value
            return result
