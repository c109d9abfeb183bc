"""One question to a plug-in: a connection, a request, an answer, all within its time and size."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

from forebay.core.unix_sockets import connected
from forebay.privacy.plugin import BadPlugin
from forebay.privacy.policy import Plugin
from forebay.wire.chunked import BadChunk, ChunkedDecoder
from forebay.wire.response import CHUNKED, UNTIL_CLOSE, BadAnswer, ResponseHead, parse_head

_OK = 200
_AT_ONCE_BYTES = 64 * 1024
AT_ONCE = 32
"""Questions that one worker has at a plug-in for one tenant: who asks more waits, and keeps nobody else waiting."""

_turns: WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = WeakValueDictionary()


async def ask(plugin: Plugin, path: str, body: bytes, tenant: str) -> bytes:
    """The body of its answer. Raises BadPlugin for whatever is not one in time, the wait for a turn included."""
    turns = _turns.get((plugin.url, tenant)) or asyncio.Semaphore(AT_ONCE)
    _turns[plugin.url, tenant] = turns  # as long as somebody has or awaits one
    try:
        async with asyncio.timeout(plugin.timeout_s), turns:
            return await _asked(plugin, path, body)
    except TimeoutError:
        raise BadPlugin(f"{plugin.name} did not answer within {plugin.timeout_s:g} s") from None
    except (OSError, BadAnswer, BadChunk) as error:
        raise BadPlugin(f"{plugin.name} could not be asked: {type(error).__name__}") from None


async def _asked(plugin: Plugin, path: str, body: bytes) -> bytes:
    reader, writer = await _connected(plugin)
    try:
        writer.write(_request(path, body))
        await writer.drain()
        return await _answer(plugin, reader)
    finally:
        writer.transport.abort()


async def _connected(plugin: Plugin) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    place = urlsplit(plugin.url)
    if place.scheme == "unix":
        return await asyncio.open_unix_connection(sock=connected(Path(place.path)))
    return await asyncio.open_connection(place.hostname, place.port or 80)


def _request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: plugin\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


async def _answer(plugin: Plugin, reader: asyncio.StreamReader) -> bytes:
    received = b""
    while (parsed := parse_head(received)) is None:
        received += await _more(plugin, reader)
    head, end = parsed
    if head.status != _OK:
        raise BadPlugin(f"{plugin.name} answers with status {head.status}")
    return await _body(plugin, reader, head, received[end:])


async def _body(plugin: Plugin, reader: asyncio.StreamReader, head: ResponseHead, begun: bytes) -> bytes:
    chunks = ChunkedDecoder() if head.body_bytes == CHUNKED else None
    body, part = b"", begun
    while True:
        body += part if chunks is None else chunks.feed(part)
        if len(body) > plugin.most_bytes:
            raise BadPlugin(f"{plugin.name} answers more than {plugin.most_bytes} bytes")
        if chunks.done if chunks is not None else 0 <= head.body_bytes <= len(body):
            return body
        part = await reader.read(_AT_ONCE_BYTES)
        if not part:
            if head.body_bytes == UNTIL_CLOSE:
                return body
            raise BadPlugin(f"{plugin.name} broke off")


async def _more(plugin: Plugin, reader: asyncio.StreamReader) -> bytes:
    part = await reader.read(_AT_ONCE_BYTES)
    if not part:
        raise BadPlugin(f"{plugin.name} broke off")
    return part
