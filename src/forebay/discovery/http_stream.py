"""A request whose answer may never end: what a list and a watch of an API server need, and no more."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from forebay.discovery.found import DiscoveryError
from forebay.wire.chunked import BadChunk, ChunkedDecoder

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,12})\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
T = TypeVar("T")
_CONNECT_S = 10.0
_READ_BYTES = 65536


class Server(msgspec.Struct, frozen=True):
    """Where to ask; `tls` None: without TLS."""

    url: str
    tls: ssl.SSLContext | None


class Streamed:
    """An answer as it comes: the status, then pieces of the body. DiscoveryError where `idle_s` pass without any."""

    def __init__(self, reader: asyncio.StreamReader, status: int, head: bytes, idle_s: float) -> None:
        self.status = status
        self.head = head
        self._reader = reader
        self._idle_s = idle_s
        self._decoder = ChunkedDecoder() if _CHUNKED.search(head) else None
        length = _LENGTH.search(head)
        self._left = int(length[1]) if length and self._decoder is None else None

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body until its end; DiscoveryError where it is cut."""
        while not self._is_whole():
            received = await _within(self._idle_s, self._reader.read(_READ_BYTES))
            if not received:
                if self._decoder is None and self._left is None:
                    return
                raise DiscoveryError("the answer was cut")
            if self._decoder is not None:
                if payload := self._decoder.feed(received):
                    yield payload
            else:
                self._left = None if self._left is None else self._left - len(received)
                yield received

    async def whole(self, limit_bytes: int) -> bytes:
        """The body at once; DiscoveryError beyond `limit_bytes`."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > limit_bytes:
                raise DiscoveryError(f"the answer is longer than {limit_bytes} bytes")
        return bytes(body)

    async def lines(self, limit_bytes: int) -> AsyncIterator[bytes]:
        """The body line by line; DiscoveryError where one is longer than `limit_bytes`."""
        held = bytearray()
        async for piece in self.pieces():
            *whole, rest = piece.split(b"\n")
            for line in whole:
                yield bytes(held + line)
                held.clear()
            held += rest
            if len(held) > limit_bytes:
                raise DiscoveryError(f"an event is longer than {limit_bytes} bytes")

    def _is_whole(self) -> bool:
        return self._decoder.done if self._decoder is not None else self._left is not None and self._left <= 0


def get(
    server: Server, target: str, headers: Mapping[str, str], idle_s: float
) -> AbstractAsyncContextManager[Streamed]:
    """Open `target`; DiscoveryError for whatever goes wrong on the line."""
    return request(server, f"GET {target}", headers, b"", idle_s)


@asynccontextmanager
async def request(
    server: Server, asked: str, headers: Mapping[str, str], body: bytes, idle_s: float
) -> AsyncIterator[Streamed]:
    """Send `asked`, a method and a target; DiscoveryError for whatever goes wrong on the line."""
    parts = urlsplit(server.url)
    host, port = parts.hostname or "", parts.port or (443 if server.tls else 80)
    try:
        opening = asyncio.open_connection(
            host, port, ssl=server.tls, server_hostname=host if server.tls else None, limit=_READ_BYTES
        )
        reader, writer = await _within(_CONNECT_S, opening)
    except OSError as error:  # refused, no such host, a certificate that is not trusted
        raise DiscoveryError(f"{server.url} cannot be reached: {error}") from error
    try:
        lines = [f"{asked} HTTP/1.1", f"Host: {parts.netloc}", "Connection: close", "Accept: application/json"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await _within(idle_s, reader.readuntil(b"\r\n\r\n"))
        status = _STATUS.match(head)
        if status is None:
            raise DiscoveryError(f"{server.url} does not speak HTTP")
        yield Streamed(reader, int(status[1]), head, idle_s)
    except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, BadChunk) as error:
        raise DiscoveryError(f"{server.url}: the answer was cut or is no HTTP", detail=str(error)) from error
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _within(seconds: float, wait: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await wait
    except TimeoutError as error:
        raise DiscoveryError(f"nothing came for {seconds:g} s") from error
