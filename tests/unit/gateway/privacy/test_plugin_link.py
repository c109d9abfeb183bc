"""Questions to a plug-in: one tenant's many keep no other's waiting."""

from __future__ import annotations

import asyncio

import pytest

from forebay.gateway.privacy.plugin_link import AT_ONCE, ask
from forebay.privacy.plugin import BadPlugin
from forebay.privacy.policy import Plugin


class _Plugin:
    """Answers once it is let; until then it counts who asks."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.let = asyncio.Event()

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        self.asked.append(await reader.readexactly(size))
        await self.let.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def hears(self, body: bytes, times: int) -> None:
        async with asyncio.timeout(30):
            while self.asked.count(body) < times:  # noqa: ASYNC110  it is a count that is waited for
                await asyncio.sleep(0.01)


def test_a_tenant_waits_for_its_own_turns_alone() -> None:
    async def run() -> None:
        slow = _Plugin()
        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        plugin = Plugin(name="slow", url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", timeout_s=60.0)
        async with server, asyncio.TaskGroup() as group:
            many = [group.create_task(ask(plugin, "/find", b"many", "a")) for _ in range(AT_ONCE + 8)]
            await slow.hears(b"many", AT_ONCE)
            one = group.create_task(ask(plugin, "/find", b"one", "b"))
            await slow.hears(b"one", 1)
            assert slow.asked.count(b"many") == AT_ONCE
            hasty = Plugin(name="slow", url=plugin.url, timeout_s=0.05)
            with pytest.raises(BadPlugin, match="within"):
                await ask(hasty, "/find", b"hasty", "a")
            assert b"hasty" not in slow.asked
            slow.let.set()
        assert {task.result() for task in (one, *many)} == {b"{}"}

    asyncio.run(run())
