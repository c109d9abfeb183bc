"""Calls at admission's door, without a network: who enters, who waits, and why one does not get in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.in_memory import Gateway
from tests.unit.gateway.heads import HEAD

from forebay.gateway.call import Call, Ledger
from forebay.gateway.fleet import EngineSlot
from forebay.gateway.refusal import ClientGone, Refusal

_NOBODY: frozenset[str] = frozenset()


class Caller:
    """One call that enters; `got` is its engine, or why there is none."""

    def __init__(
        self, gateway: Gateway, priority: str = "", avoid: frozenset[str] = _NOBODY, wait_s: float = 99.0
    ) -> None:
        self.got: EngineSlot | Refusal | ClientGone | None = None
        self.call = Call(gateway.client().protocol, HEAD, b"", Ledger(0.0, priority=priority))
        self._gateway = gateway
        self.call.run(self._enter(set(avoid), gateway.clock.now + wait_s))

    async def _enter(self, avoid: set[str], until: float) -> None:
        try:
            self.got = await self._gateway.parts.admission.enter(self.call, "m", avoid, until)
        except (Refusal, ClientGone) as gone:
            self.got = gone

    @property
    def engine(self) -> str:
        """Name of its engine, or in a word why it has none."""
        match self.got:
            case EngineSlot():
                return self.got.ref.name
            case Refusal():
                return self.got.code
            case ClientGone():
                return self.got.reason
        return ""

    def leave(self) -> None:
        assert isinstance(self.got, EngineSlot)
        self._gateway.parts.admission.leave(self.got, self.call)


async def turn() -> None:
    """Longer than admission waits before it looks again."""
    for _ in range(3):
        await asyncio.sleep(0.005)


def within_a_loop(test: Callable[[Gateway], Awaitable[None]]) -> Callable[[Gateway], None]:
    """Run a test that is a coroutine, for at most a minute."""

    def run(gateway: Gateway) -> None:
        asyncio.run(_finite(test(gateway)))

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


async def _finite(test: Awaitable[None]) -> None:
    await asyncio.wait_for(test, 60)
