"""An embedder that lies, says nothing or is not there costs a comparison and nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest

from forebay.core.unix_sockets import listening
from forebay.gateway.reuse.semantic.frames import Compared
from forebay.gateway.reuse.semantic.link import Answer, EmbedderLink
from forebay.wire.frames import framed


class _Says(asyncio.Protocol):
    """Says `reply` to whatever it hears first."""

    def __init__(self, reply: bytes) -> None:
        self._reply = reply
        self._transport: asyncio.WriteTransport | None = None
        self.left = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, _data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(self._reply)
            self._reply = b""

    def connection_lost(self, _error: Exception | None) -> None:
        self.left.set()


async def _asked(path: Path, reply: bytes, within_s: float, times: int) -> list[Answer]:
    loop = asyncio.get_running_loop()
    embedder = _Says(reply)
    server = await loop.create_unix_server(lambda: embedder, sock=listening(path))
    link = EmbedderLink(path)
    link.sweep(0.0)
    async with asyncio.timeout(60):
        while not link.connected:  # noqa: ASYNC110  there is no event: a worker does not wait for it
            await asyncio.sleep(0.01)
        answered: list[asyncio.Future[Answer]] = [loop.create_future() for _ in range(times)]
        for each in answered:
            link.compare("What is it?", ("What is that?",), within_s, each.set_result)
        found = [await each for each in answered]
        link.close()
        await embedder.left.wait()
    server.close()
    await server.wait_closed()
    return found


def compared(folder: Path, reply: bytes, within_s: float = 30.0, times: int = 1) -> list[Answer]:
    """What comes of `times` comparisons at once with an embedder that says `reply` to whatever it hears first."""
    return asyncio.run(_asked(folder / "embedder.sock", reply, within_s, times))


def test_an_answer_in_time_is_handed_over(tmp_path: Path) -> None:
    assert compared(tmp_path, framed(Compared(1, (0.5,)))) == [(0.5,)]


@pytest.mark.parametrize(
    "lie",
    [
        framed(Compared(1, ())),
        framed(Compared(1, (0.9, 0.9))),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x03abc",
        b"\x00\x00\x00\x00",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_what_is_no_answer_is_none(tmp_path: Path, lie: bytes) -> None:
    assert compared(tmp_path, lie) == ["lost"]


def test_silence_ends_at_the_deadline_and_nobody_queues_for_ever(tmp_path: Path) -> None:
    assert compared(tmp_path, b"", within_s=0.05, times=100) == ["late"] * 100


def test_an_answer_to_another_question_is_not_this_ones(tmp_path: Path) -> None:
    assert compared(tmp_path, framed(Compared(7, (0.9,))), within_s=0.05) == ["late"]


def test_where_nobody_listens_it_is_told_at_once(tmp_path: Path) -> None:
    async def run() -> Answer:
        link = EmbedderLink(tmp_path / "nobody")
        link.sweep(0.0)
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        link.compare("a", ("b",), 30.0, answered.set_result)
        async with asyncio.timeout(30):
            found = await answered
        link.close()
        return found

    assert asyncio.run(run()) == "lost"


def test_a_folder_with_a_very_long_name_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 200)
    folder.mkdir()
    assert compared(folder, framed(Compared(1, (0.5,)))) == [(0.5,)]
