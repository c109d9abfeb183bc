"""What a comparison takes, and what it takes from the loop that carries the calls."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import uvloop

from forebay.gateway.reuse.semantic.embedder import Directions, packaged_encoder
from forebay.gateway.reuse.semantic.link import Answer, EmbedderLink
from forebay.gateway.reuse.semantic.question import question_of

_ROUNDS = 300
_WATCHED_S = 8.0
_TICK_S = 0.001
_DEADLINE_S = 5.0

Compare = Callable[[str, str], Awaitable[object]]


def comparisons() -> dict[str, list[float]]:
    """Seconds of each comparison: two new texts, and a new one with a text that was compared before."""
    return uvloop.run(_comparisons())


def lateness() -> dict[str, list[float]]:
    """How late, in seconds, a loop wakes that wants to wake every millisecond, while comparisons run somewhere."""
    return {where: uvloop.run(_lateness(where)) for where in ("nothing", "a process", "a thread", "the loop")}


def deciding_s() -> float:
    """What a call that is compared costs in the worker before anybody is asked."""
    fields = {"model": "m", "temperature": 0, "messages": [{"role": "user", "content": "How do I reset my password?"}]}
    began = time.perf_counter()
    for _ in range(2000):
        question_of(("v", "tenant", "/v1/chat/completions", "m"), "/v1/chat/completions", fields, "pepper")
    return (time.perf_counter() - began) / 2000


async def _comparisons() -> dict[str, list[float]]:
    async with _in_a_process() as compare:
        new = [await _timed(compare, *_texts(number)) for number in range(_ROUNDS)]
        first = _texts(0)[0]
        half = [await _timed(compare, _texts(_ROUNDS + number)[1], first) for number in range(_ROUNDS)]
    return {"both new": new, "one known": half}


async def _timed(compare: Compare, text: str, other: str) -> float:
    began = time.perf_counter()
    await compare(text, other)
    return time.perf_counter() - began


async def _lateness(where: str) -> list[float]:
    made = {"nothing": _nowhere, "a process": _in_a_process, "a thread": _in_a_thread, "the loop": _in_the_loop}[where]
    async with made() as compare:
        working = asyncio.create_task(_for_ever(compare))
        late: list[float] = []
        end = time.monotonic() + _WATCHED_S
        while time.monotonic() < end:
            began = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            late.append(time.perf_counter() - began - _TICK_S)
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
    return late


async def _for_ever(compare: Compare) -> None:
    number = 0
    while True:
        await compare(*_texts(number))
        number += 1
        await asyncio.sleep(0)


def _texts(number: int) -> tuple[str, str]:
    return f"How do I renew passport number {number}?", f"How can I renew my passport number {number}?"


@asynccontextmanager
async def _nowhere() -> AsyncIterator[Compare]:
    async def compare(_text: str, _other: str) -> None:
        await asyncio.sleep(0.01)

    yield compare


@asynccontextmanager
async def _in_the_loop() -> AsyncIterator[Compare]:
    directions = Directions(packaged_encoder())

    async def compare(text: str, other: str) -> None:
        directions.compare(text, (other,))

    yield compare


@asynccontextmanager
async def _in_a_thread() -> AsyncIterator[Compare]:
    directions = Directions(packaged_encoder())

    async def compare(text: str, other: str) -> None:
        await asyncio.to_thread(directions.compare, text, (other,))

    yield compare


@asynccontextmanager
async def _in_a_process() -> AsyncIterator[Compare]:
    with tempfile.TemporaryDirectory() as folder, _embedder(Path(folder) / "socket") as path:
        link = EmbedderLink(path)
        while not link.connected:
            link.sweep(time.monotonic())
            await asyncio.sleep(0.05)

        async def compare(text: str, other: str) -> Answer:
            answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            link.compare(text, (other,), _DEADLINE_S, partial(_settle, answered))
            return await answered

        yield compare
        link.close()


def _settle(answered: asyncio.Future[Answer], answer: Answer) -> None:
    if not answered.done():
        answered.set_result(answer)


@contextlib.contextmanager
def _embedder(path: Path) -> Iterator[Path]:
    running = subprocess.Popen([sys.executable, "-m", "forebay.gateway.reuse.semantic.embedder", "--socket", str(path)])
    try:
        yield path
    finally:
        running.kill()
        running.wait(10)
