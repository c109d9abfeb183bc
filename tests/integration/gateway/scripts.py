"""What fake engines do in these tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from forebay.testing.fake_engine import Exchange, completion, delta

Script = Callable[[Exchange], Awaitable[None]]
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


def refuses(status: int) -> Script:
    async def script(exchange: Exchange) -> None:
        await exchange.answer(b'{"error":{"message":"engine says no"}}', status)

    return script


def sends(*pieces: bytes, then: str = "reset") -> Script:
    """Raw bytes, then `reset`, `close`, `silence`, or `next`: the next request. An empty piece is a pause."""

    async def script(exchange: Exchange) -> None:
        for piece in pieces:
            await exchange.send(piece)
            if not piece:
                await asyncio.sleep(0.05)
        if then == "next":
            return
        await asyncio.sleep(0.02)  # a reset would overtake what was sent
        if then == "reset":
            exchange.reset()
        elif then == "close":
            exchange.close()
        await exchange.until_client_leaves()

    return script


def answers_after(seconds: float) -> Script:
    """A whole answer, or a stream of one event, after a while."""

    async def script(exchange: Exchange) -> None:
        await asyncio.sleep(seconds)
        if not exchange.fields.get("stream"):
            await exchange.answer(completion("late"))
            return
        await exchange.begin_stream()
        await exchange.event(delta("late"))
        await exchange.event(b"[DONE]")
        await exchange.end_stream()

    return script


async def never_answers(exchange: Exchange) -> None:
    await exchange.until_client_leaves()


async def never_ends(exchange: Exchange) -> None:
    """One event after another, until the client leaves."""
    await exchange.begin_stream()
    while True:
        await exchange.event(delta("more"))
        await asyncio.sleep(0.01)


async def holds_streams(exchange: Exchange) -> None:
    """Answer whole calls at once; begin a stream and leave it there."""
    if exchange.fields.get("stream"):
        await exchange.begin_stream()
        await exchange.event(delta("begun"))
        await exchange.until_client_leaves()
    else:
        await exchange.answer(completion("ended"))


class Gate:
    """Begins a stream at once, or a whole answer never, and goes on when it is opened."""

    def __init__(self) -> None:
        self.is_open = False

    async def __call__(self, exchange: Exchange) -> None:
        stream = exchange.fields.get("stream")
        if stream:
            await exchange.begin_stream()
            await exchange.event(delta("begun"))
        while not self.is_open:  # noqa: ASYNC110  opened from another thread
            await asyncio.sleep(0.005)
        if stream:
            await exchange.event(delta("ended"))
            await exchange.event(b"[DONE]")
            await exchange.end_stream()
        else:
            await exchange.answer(completion("ended"))
