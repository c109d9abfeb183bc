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

if TYPE_CHECKING:
    from forebay.gateway.call import Call

TURN_S = 0.001
"""After so long somebody else has a turn; a single step of a search takes a few times as long at worst."""

_Result = TypeVar("_Result")


class Turns:
    """One a worker."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[tuple[Call, object]]] = {}

    async def take(self, call: Call, steps: Generator[None, None, _Result]) -> _Result:
        """Do all of `steps`. What ends the call meanwhile is raised here, and the rest is not done."""
        until = time.perf_counter() + TURN_S
        try:
            while True:
                next(steps)
                if time.perf_counter() >= until:
                    await self._next(call)
                    until = time.perf_counter() + TURN_S
        except StopIteration as end:
            result: _Result = end.value
            return result
        finally:
            steps.close()

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
