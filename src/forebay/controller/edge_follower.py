"""Sees to it that the edge that runs has read its newest file: it is asked which one it runs, and told again."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from forebay.config.schema import Config
from forebay.controller.journal import Journal
from forebay.core.backoff import exponential
from forebay.core.unix_sockets import short
from forebay.render.edge_programs import program_of
from forebay.render.generation import SOCKET, generation_in

_REQUEST = b"GET / HTTP/1.0\r\n\r\n"
_ASK_S = 2.0
_ANSWER_BYTES = 4096
_BEHIND_S = 0.05
_STEADY_S = 5.0
# An edge that reads its file closes connections which clients are about to use: not told again before it had its time.
_FIRST_AGAIN_S = 3.0
_LAST_AGAIN_S = 60.0


class EdgeFollower:
    """`tell` asks the edge to read its file; False where none runs.

    `runs` is what it said last, `newest` what its file is; `pending`: a new file is not known to be read.
    """

    def __init__(self, folder: Path, journal: Journal, tell: Callable[[], bool]) -> None:
        self.pending = False
        self.runs = ""
        self.newest = ""
        self._folder = folder
        self._journal = journal
        self._tell = tell
        self._conf: Path | None = None
        self._asked = ""
        self._due = False
        self._news = asyncio.Event()
        self._waits_s = exponential(_FIRST_AGAIN_S, _LAST_AGAIN_S)
        self._again_s = float("-inf")

    @property
    def is_read(self) -> bool:
        """Whether the edge runs its newest file."""
        return bool(self.newest) and self.runs == self.newest and not self.pending

    def follow(self, config: Config, *, changed: bool) -> None:
        """Look after the edge of `config`; `changed`: its file is a new one."""
        self._conf = None if config.edge.kind == "none" else self._folder / program_of(config).conf
        self.pending = self._conf is not None and (self.pending or changed)
        if changed:
            # Also where it says that it has read this file: somebody may have edited it meanwhile.
            self._due, self._asked = True, ""
            self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            known = await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STEADY_S if known else _BEHIND_S):
                    await self._news.wait()
            self._news.clear()

    async def _look(self) -> bool:
        """Whether the edge is known to run the newest file, or there is none."""
        if self._conf is None:
            return True
        self.newest = wanted = await asyncio.to_thread(_wanted, self._conf)
        self.runs = await told(self._folder / SOCKET)
        if wanted and self.runs == wanted and not self._due:
            if self.pending:
                self._journal.say("info", "the edge runs its new configuration", unit="edge", generation=wanted)
            self.pending = False
            return True
        if wanted and (self.runs or self.pending):
            self._tell_again(wanted)
        return not (self.runs or self.pending)

    def _tell_again(self, wanted: str) -> None:
        now_s = time.monotonic()
        if wanted != self._asked:
            self._asked, self._waits_s = wanted, exponential(_FIRST_AGAIN_S, _LAST_AGAIN_S)
            # One that does not answer may be about to start, and SIGHUP ends an nginx that does not listen to it yet.
            self._again_s = now_s if self.runs else now_s + _FIRST_AGAIN_S
        if now_s < self._again_s or not self._tell():
            return
        self._due = False
        self._again_s = now_s + next(self._waits_s)
        self._journal.say("info", "the edge is told to read its configuration", unit="edge", generation=wanted)


async def told(socket: Path) -> str:
    """Which file the edge behind a socket says it runs; empty where none answers."""
    try:
        async with asyncio.timeout(_ASK_S):
            with short(socket) as name:
                reader, writer = await asyncio.open_unix_connection(name)
            try:
                writer.write(_REQUEST)
                return generation_in(await reader.read(_ANSWER_BYTES))
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return ""


def _wanted(conf: Path) -> str:
    try:
        return generation_in(conf.read_bytes())
    except OSError:
        return ""
