"""A fake engine, for controlled timing and faults only: it answers with what a script says, when the script says.

It is no model. Real answers come from the embedded engine and from vLLM.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType

import orjson


class Exchange:
    """One request as the engine sees it. `fields` is the parsed body; `send` writes raw bytes at once."""

    def __init__(self, writer: asyncio.StreamWriter, head: bytes, body: bytes) -> None:
        self._writer = writer
        self._left = asyncio.Event()
        self.head = head
        self.body = body
        self.fields = orjson.loads(body) if body else {}

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def answer(self, body: bytes, status: int = 200, content_type: str = "application/json") -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        await self.send(head.encode() + body)

    async def begin_stream(self) -> None:
        await self.send(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
        )

    async def event(self, payload: bytes) -> None:
        data = b"data: " + payload + b"\n\n"
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def end_stream(self) -> None:
        await self.send(b"0\r\n\r\n")

    def reset(self) -> None:
        """Drop the connection with a reset, as one does whose machine forgot it."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def close(self) -> None:
        """End the connection as a process does that exits."""
        self._writer.close()

    async def until_client_leaves(self) -> None:
        """Wait until the client ends the connection."""
        await self._left.wait()

    def client_left(self) -> None:
        self._left.set()


Script = Callable[[Exchange], Awaitable[None]]


def completion(text: str, prompt_tokens: int = 7, completion_tokens: int = 3) -> bytes:
    """A whole chat answer in OpenAI's shape."""
    return orjson.dumps(
        {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 1,
            "model": "fake",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"},
            ],
            "usage": {
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "total_tokens": prompt_tokens + completion_tokens,
            },
        }
    )


def delta(text: str) -> bytes:
    """One event's payload of a streamed chat answer."""
    return orjson.dumps(
        {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "fake",
            "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}],
        }
    )


async def say_hello(exchange: Exchange) -> None:
    """Answer `hello`, streamed if asked, with usage if asked."""
    if not exchange.fields.get("stream"):
        await exchange.answer(completion("hello"))
        return
    await exchange.begin_stream()
    for piece in ("hel", "lo", "!"):
        await exchange.event(delta(piece))
    if (exchange.fields.get("stream_options") or {}).get("include_usage"):
        await exchange.event(b'{"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}')
    await exchange.event(b"[DONE]")
    await exchange.end_stream()


class FakeEngine:
    """Serves on a free port of its own loop and thread. `script` may be replaced at any time.

    `requests` counts what arrived, `running` what is being answered, `aborted` whose client left first,
    `connections` what was opened.
    """

    def __init__(self, script: Script = say_hello, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.script = script
        self.port = port
        self._tls = tls
        self.connections = 0
        self.requests = 0
        self.running = 0
        self.most_running = 0
        self.aborted = 0
        self.seen: list[Exchange] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def __enter__(self) -> FakeEngine:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        asyncio.run_coroutine_threadsafe(self._finish(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()

    def kill(self) -> None:
        """Refuse new connections and reset open ones, as after SIGKILL."""
        asyncio.run_coroutine_threadsafe(self._kill(), self._loop).result(60)

    def revive(self) -> None:
        """Listen again on the same port."""
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, limit=2**26, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _kill(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    async def _finish(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        ahead = b""
        try:
            while True:
                head = ahead + await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(length) if length else b""
                ahead = await self._exchange(Exchange(writer, head, body), reader)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.transport.abort()
        finally:
            self._writers.discard(writer)
            if task is not None:
                self._tasks.discard(task)

    async def _exchange(self, exchange: Exchange, reader: asyncio.StreamReader) -> bytes:
        """Run the script; returns what the client sent meanwhile, the first byte of its next request at most."""
        self.requests += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.seen.append(exchange)
        working = asyncio.ensure_future(self.script(exchange))
        ahead = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({working, ahead}, return_when=asyncio.FIRST_COMPLETED)
            if ahead.done() and not _byte_of(ahead) and not _ended_well(working):
                exchange.client_left()
                self.aborted += 1
                working.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await working
        finally:
            self.running -= 1
            working.cancel()
            ahead.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await ahead
        return _byte_of(ahead)


def _ended_well(working: asyncio.Future[None]) -> bool:
    return working.done() and not working.cancelled() and working.exception() is None


def _byte_of(ahead: asyncio.Future[bytes]) -> bytes:
    """What was read, empty where the client is gone or sent nothing."""
    return b"" if ahead.cancelled() or ahead.exception() is not None else ahead.result()
