"""Units of an earlier configuration that nobody keeps any more: they go, but not from under the calls they have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from forebay.controller.journal import Journal
from forebay.substrate.base import Substrate, is_controller

_LOOK_S = 0.1
_STOP_S = 30.0


class Strangers:
    """`busy` says whether calls may still reach a unit, or are there."""

    def __init__(self, substrate: Substrate, journal: Journal, busy: Callable[[str], bool]) -> None:
        self._substrate = substrate
        self._journal = journal
        self._busy = busy

    def find(self, wanted: Collection[str]) -> tuple[str, ...]:
        """Those that live; what has ended is forgotten."""
        living = []
        for name, record in self._substrate.observe().items():
            if name in wanted or is_controller(name):
                continue
            if record.holder.alive:
                living.append(name)
            else:
                self._substrate.delete(name)
        return tuple(living)

    async def let_go(self, name: str, within_s: float, is_kept: Callable[[], bool]) -> None:
        """Stop one once its calls are done, or the time is over; unless somebody has come to want it."""
        deadline_s = time.monotonic() + within_s
        while self._busy(name) and time.monotonic() < deadline_s:  # noqa: ASYNC110  told by files and counters alone
            await asyncio.sleep(_LOOK_S)
        if is_kept():
            return
        self._journal.say("info", f"{name} is no longer wanted and is stopped", unit=name)
        await asyncio.to_thread(self._substrate.stop, [name], _STOP_S)
        self._substrate.delete(name)
