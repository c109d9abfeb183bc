"""A worker's connection to the embedder, which may be slow, gone or lying: calls then go to an engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec

from forebay.gateway.reuse.semantic.frames import Compare, Compared
from forebay.gateway.unix_link import UnixLink
from forebay.wire.frames import framed

Answer = tuple[float, ...] | Literal["late", "lost"]
"""Similarities; or that they did not come in time, or that there is nobody to ask."""

_AGAIN_S = 1.0
# Behind so many the deadline would pass anyway: at 5 to 15 ms a comparison.
_MOST_WAITING = 32
_decode = msgspec.msgpack.Decoder(Compared).decode


class EmbedderLink(UnixLink):
    """One to a worker. It connects by itself, at most once a second."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._tried_at = float("-inf")
        self._number = 0
        self._waiting: dict[int, tuple[Callable[[Answer], None], asyncio.TimerHandle, int]] = {}

    def sweep(self, now: float) -> None:
        """Connect where there is no connection."""
        if not self.connected and now - self._tried_at >= _AGAIN_S:
            self._tried_at = now
            self.connect()

    def compare(self, text: str, others: tuple[str, ...], within_s: float, done: Callable[[Answer], None]) -> None:
        """Hand the similarity of each of `others` to `done`, within `within_s`."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            loop.call_soon(done, "lost")
            return
        if len(self._waiting) >= _MOST_WAITING:
            loop.call_soon(done, "late")
            return
        self._number += 1
        late = loop.call_later(within_s, self._answer, self._number, "late")
        self._waiting[self._number] = (done, late, len(others))
        self._transport.write(framed(Compare(self._number, time.monotonic() + within_s, text, others)))

    def heard(self, frame: bytes) -> None:
        compared = _decode(frame)
        self._answer(compared.number, compared.similarities)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for number in list(self._waiting):
            self._answer(number, "lost")

    def _answer(self, number: int, answer: Answer) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is None:  # it came too late
            return
        done, late, asked = waiting
        late.cancel()
        done(answer if isinstance(answer, str) or len(answer) == asked else "lost")
