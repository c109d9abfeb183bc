"""A source under test: what it told and why it failed, and waiting for either."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

from forebay.discovery.follower import Follower
from forebay.discovery.found import Found, Source


class Followed:
    """A source that a follower follows; damping is short so that tests are."""

    def __init__(self, source: Source, settle_s: float, known: tuple[Found, ...]) -> None:
        self.said: list[str] = []
        self.follower = Follower(source, settle_s, known, time.monotonic, lambda _level, text: self.said.append(text))

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.follower.members()]

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [(each.host, each.port) for each in self.follower.members()]

    async def until(self, claim: str, true: Callable[[], object], deadline_s: float = 60.0) -> None:
        end_s = time.monotonic() + deadline_s
        while not true():
            if time.monotonic() > end_s:
                raise AssertionError(f"not within {deadline_s:g} s: {claim}; {self.names}, {self.follower.trouble}")
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def following(source: Source, settle_s: float = 0.2, known: tuple[Found, ...] = ()) -> AsyncIterator[Followed]:
    """Follow `source` while the context lasts."""
    followed = Followed(source, settle_s, known)
    task = asyncio.create_task(followed.follower.run())
    try:
        yield followed
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
