"""The few requests the controller makes of engines and workers: small, bounded, over a connection each."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping

import msgspec

from forebay.core.tls import EngineTls, engine_context

_ANSWER_LIMIT_BYTES = 8 * 1024 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,12})\r\n", re.IGNORECASE)


class Answer(msgspec.Struct, frozen=True):
    """What came back. Status 0: nothing came back, and `body` says why."""

    status: int
    body: bytes


class Address(msgspec.Struct, frozen=True):
    host: str
    port: int
    tls: EngineTls | None = None


async def ask(
    address: Address,
    target: str,
    *,
    timeout_s: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """GET `target`, or POST `body` as JSON; never raises for what the other side does."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _exchange(address, _request(address, target, body, headers or {}))
    except TimeoutError:
        return Answer(0, f"no answer within {timeout_s:g} s".encode())
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        return Answer(0, str(error).encode())


async def connects(address: Address, timeout_s: float) -> bool:
    """Whether somebody accepts connections there."""
    try:
        async with asyncio.timeout(timeout_s):
            _reader, writer = await _open(address)
    except (OSError, TimeoutError):
        return False
    await _close(writer)
    return True


def _request(address: Address, target: str, body: bytes | None, headers: Mapping[str, str]) -> bytes:
    # HTTP/1.0: the answer is never chunked; it ends where its length or the connection does.
    lines = [
        f"{'GET' if body is None else 'POST'} {target} HTTP/1.0",
        f"Host: {f'[{address.host}]' if ':' in address.host else address.host}:{address.port}",
        "Connection: close",
    ]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


async def _exchange(address: Address, request: bytes) -> Answer:
    reader, writer = await _open(address)
    try:
        writer.write(request)
        await writer.drain()
        head = await reader.readuntil(b"\r\n\r\n")
        status, length = int(head.split(b" ", 2)[1]), _LENGTH.search(head)
        left = int(length[1]) if length else _ANSWER_LIMIT_BYTES + 1
        if length and left > _ANSWER_LIMIT_BYTES:
            raise ValueError("the answer is too long")
        body = bytearray()
        while left > 0 and (piece := await reader.read(min(left, 65536))):
            body += piece
            left -= len(piece)
        if left == 0 and not length:
            raise ValueError("the answer is too long")
        return Answer(status, bytes(body))
    finally:
        await _close(writer)


async def _open(address: Address) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if address.tls is None:
        return await asyncio.open_connection(address.host, address.port)
    context = engine_context(address.tls)
    return await asyncio.open_connection(address.host, address.port, ssl=context, server_hostname=address.host)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
