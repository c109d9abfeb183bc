"""Stands before everything a controller does: one that has lost its lease does nothing more, however long it slept."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import NoReturn

from forebay.engines.record import UnitRecord
from forebay.engines.spec import UnitSpec
from forebay.observe.log import JsonLog
from forebay.substrate.base import Substrate

ENDED = 75


def clock_s() -> float:
    """Time that also passes while the machine sleeps, and that nobody can set."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Fence:
    """`number` names this leadership: a later one has a higher one. `leader` says who it is."""

    def __init__(self, leader: str, number: int, holds: Callable[[], bool], end: Callable[[], object]) -> None:
        self.leader = leader
        self.number = number
        self.checked_s = clock_s()
        self._holds = holds
        self._end = end

    def check(self) -> None:
        """Return while we lead; otherwise end the process here and now, whatever it was about to do."""
        if not self._holds():
            self._end()
        self.checked_s = clock_s()


def end_here() -> NoReturn:
    """No clean-up: it would be one more action of a controller that leads no more."""
    log = JsonLog("forebay")
    log.write("error", "the lease is lost: this controller ends itself", time.time())
    log.flush()
    sys.stdout.flush()
    os._exit(ENDED)


class FencedSubstrate:
    """A substrate that acts for a leader only; who only asks is answered."""

    def __init__(self, substrate: Substrate, fence: Fence) -> None:
        self._substrate = substrate
        self._fence = fence

    def start(self, spec: UnitSpec) -> UnitRecord:
        self._fence.check()
        return self._substrate.start(spec)

    def observe(self) -> dict[str, UnitRecord]:
        return self._substrate.observe()

    def find(self, name: str) -> UnitRecord | None:
        return self._substrate.find(name)

    def signal(self, name: str, number: int) -> bool:
        self._fence.check()
        return self._substrate.signal(name, number)

    def stop(self, names: Sequence[str], within_s: float) -> tuple[str, ...]:
        self._fence.check()
        return self._substrate.stop(names, within_s)

    def kill(self, name: str) -> None:
        self._fence.check()
        self._substrate.kill(name)

    def delete(self, name: str) -> None:
        self._fence.check()
        self._substrate.delete(name)

    def strays(self) -> dict[int, str]:
        return self._substrate.strays()

    def end_strays(self, *, controllers: bool = True) -> tuple[str, ...]:
        self._fence.check()
        return self._substrate.end_strays(controllers=controllers)
