"""Follows one source for ever: takes its answers, waits after its failures, remembers what it knew."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from forebay.core.backoff import exponential
from forebay.discovery.found import DiscoveryError, Found, Source
from forebay.discovery.membership import Membership

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 15.0
Say = Callable[[str, str], None]


class Follower:
    """`members` is the fleet of this moment; `trouble` says why it may be old, `failures` how often that was so."""

    def __init__(
        self, source: Source, settle_s: float, known: Iterable[Found], clock: Callable[[], float], say: Say
    ) -> None:
        self._source = source
        self._clock = clock
        self._say = say
        self._membership = Membership(settle_s, known, clock())
        self._said = ""
        self._answered = False
        self.answered_s: float | None = None
        self.failures = 0

    @property
    def trouble(self) -> str:
        return self._membership.trouble

    def members(self) -> tuple[Found, ...]:
        """The fleet now."""
        self._membership.settle(self._clock())
        return self._membership.members

    async def run(self) -> None:
        """Until cancelled."""
        waits = exponential(_FIRST_WAIT_S, _LONGEST_WAIT_S)
        while True:
            self._answered = False
            try:
                await self._source.watch(self._take)
            except DiscoveryError as error:
                self._membership.failed(error.what)
                self._tell_trouble()
            if self._answered:
                waits = exponential(_FIRST_WAIT_S, _LONGEST_WAIT_S)
            await asyncio.sleep(next(waits))

    def _take(self, found: tuple[Found, ...]) -> None:
        self._membership.answered(found, self._clock())
        self._tell_trouble()
        if not self.trouble:
            self._answered = True
            self.answered_s = self._clock()

    def _tell_trouble(self) -> None:
        trouble = self.trouble
        self.failures += bool(trouble)
        if trouble and trouble != self._said:
            self._say("warning", f"engines cannot be discovered, those known stay: {trouble}")
        elif self._said and not trouble:
            self._say("info", "engines are discovered again")
        self._said = trouble
