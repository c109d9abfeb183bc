"""The log of a container, passed on line by line, and taken up again where it was left."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable

import msgspec

from forebay.engines.verified import SEEN
from forebay.substrate.docker.daemon import Daemon
from forebay.substrate.docker.remote import Home

_KEEP_S = 5.0
_LINE_BYTES = 1024 * 1024


def say(level: str, text: str) -> None:
    """A line of the agent's own; its holder makes a log line of it."""
    sys.stdout.write(f"{level}: {text}\n")
    sys.stdout.flush()


class Log:
    """`keep` is told now and then how far the log was read, so that the next agent goes on there.

    `weights` is told what a check of the weights has seen, for the next check.
    """

    def __init__(self, home: Home, keep: Callable[[Home], None], weights: Callable[[str], None]) -> None:
        self._home, self._keep, self._weights = home, keep, weights
        self._kept_s = time.monotonic()
        self._reading: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def followed(self, daemon: Daemon) -> AsyncIterator[None]:
        """While this lasts, what the container says is passed on."""
        since = ("--since", self._home.seen) if self._home.seen else ()
        following = await daemon.follow("logs", "--follow", "--timestamps", *since, self._home.container)
        assert following.stdout is not None  # noqa: S101  it has a pipe
        async with asyncio.TaskGroup() as group:
            self._reading = group.create_task(self._read(following.stdout))
            try:
                yield
            finally:
                self._reading.cancel()
                if following.returncode is None:
                    following.kill()
                await following.wait()

    async def rest(self, within_s: float) -> None:
        """Wait for the last lines of a container that has ended."""
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=within_s)

    async def _read(self, lines: asyncio.StreamReader) -> None:
        rest = b""
        while piece := await lines.read(64 * 1024):
            *whole, rest = (rest + piece).split(b"\n")
            rest = rest[-_LINE_BYTES:]
            self._pass_on(whole)
        self._pass_on([rest] if rest else [])

    def _pass_on(self, lines: list[bytes]) -> None:
        for line in lines:
            when, _space, text = line.decode("utf-8", "replace").partition(" ")
            if not when[:4].isdigit():  # the command's own word: the daemon is away
                continue
            if when > self._home.seen:
                sys.stdout.write(f"{text}\n")
                self._home = msgspec.structs.replace(self._home, seen=when)
                if SEEN in text:
                    self._weights(text.rpartition(SEEN)[2])
        sys.stdout.flush()
        if time.monotonic() - self._kept_s > _KEEP_S:
            self._kept_s = time.monotonic()
            self._keep(self._home)
