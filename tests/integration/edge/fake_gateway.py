"""A fake gateway worker: tells what it received, and streams only as fast as the test lets it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator


class FakeGateway:
    """Routes: /echo, /slow, /status/N, /large (JSON), /large-events (SSE), /events and /hold (until told)."""

    def __init__(self) -> None:
        self.port = 0
        self.targets: list[str] = []
        self.more = threading.Semaphore(0)
        self.opened = threading.Semaphore(0)
        self.left = threading.Semaphore(0)

    async def serve(self, port: int = 0) -> asyncio.Server:
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while True:
                    await self._call(reader, writer)
        finally:
            writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")[:-2]
        headers = [[name.lower(), value] for name, _colon, value in (line.partition(": ") for line in lines)]
        if "chunked" in dict(headers).get("transfer-encoding", ""):
            body = await _chunked(reader)
        else:
            body = await reader.readexactly(int(dict(headers).get("content-length", "0")))
        method, target, _version = first.split(" ")
        self.targets.append(target)
        seen = {"method": method, "target": target, "headers": headers, "body_bytes": len(body)}
        await self._answer(target, seen, reader, writer)

    async def _answer(
        self, target: str, seen: dict[str, object], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if target == "/slow":
            await asyncio.sleep(0.02)
        if target.startswith("/events"):
            await self._events(target, reader, writer)
        elif target == "/large-events":
            writer.write(_head(200, "text/event-stream", 4096) + b"data: " + b"x" * 4088 + b"\n\n")
        elif target == "/large":
            writer.write(_head(200, "application/json", 4096) + b'"' + b"x" * 4094 + b'"')
        elif target.startswith("/status/"):
            content = json.dumps({"error": {"code": "from_the_gateway"}}).encode()
            writer.write(_head(int(target[8:]), "application/json", len(content)) + content)
        else:
            content = json.dumps(seen).encode()
            writer.write(_head(200, "application/json", len(content)) + content)
        await writer.drain()

    async def _events(self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One event at once, the next one when the test allows it; tells when the client has left instead."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        writer.write(b"D\r\ndata: first\n\n\r\n")
        await writer.drain()
        self.opened.release()
        gone = asyncio.ensure_future(reader.read(1))
        async for _turn in _turns():
            if gone.done():
                self.left.release()
                raise ConnectionError
            if self.more.acquire(blocking=False):
                break
        gone.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await gone
        writer.write(b"E\r\ndata: second\n\n\r\n0\r\n\r\n")


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return body


async def _turns() -> AsyncIterator[None]:
    while True:
        yield
        await asyncio.sleep(0.005)


def _head(status: int, kind: str, length: int) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n".encode()


@contextlib.contextmanager
def running() -> Iterator[FakeGateway]:
    """A fake gateway in a thread of its own."""
    fake, loop, ready = FakeGateway(), asyncio.new_event_loop(), threading.Event()

    async def serve() -> None:
        server = await fake.serve()
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve_forever()
        # Again and again: what was accepted at the end becomes a task only in a later turn, and closes in another.
        for _ in range(5):
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0.002)

    main = loop.create_task(serve())
    thread = threading.Thread(target=lambda: loop.run_until_complete(main))
    thread.start()
    assert ready.wait(60)
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(main.cancel)
        thread.join(60)
        loop.close()


async def _forever(port: int) -> None:
    server = await FakeGateway().serve(port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_forever(int(sys.argv[1])))
