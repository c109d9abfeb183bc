"""A client's connection on a raw protocol: one request at a time, answers read as they arrive."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import msgspec

from forebay.tune.load.answers import EVENT, error_code, said
from forebay.wire.chunked import BadChunk, ChunkedDecoder
from forebay.wire.response import CHUNKED, UNTIL_CLOSE, BadAnswer, ResponseHead, parse_head

if TYPE_CHECKING:
    from forebay.tune.load.exchange import Exchange
    from forebay.tune.load.pool import Pool

_REJECTIONS = {429, 503, 529}
_UNSEEN_S = 1.0
"""A request whose idle connection is lost later than this was seen, and worked on."""
_monotonic = time.monotonic


class Connection(asyncio.Protocol):
    """Sends a request, notes what comes when, and gives itself back to its pool."""

    __slots__ = ("_body", "_chunks", "_exchange", "_head", "_held", "_left", "_pool", "_received", "_used", "transport")

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._exchange: Exchange | None = None
        self.transport: asyncio.Transport | None = None
        self._used = False
        self._reset()

    def send(self, exchange: Exchange) -> None:
        """Write the request; its intended start lies behind it."""
        if self.transport is None:
            raise AssertionError("a connection is used before it is open")
        self._exchange = exchange
        exchange.sent = exchange.sent or _monotonic()
        self.transport.write(exchange.request)

    def abort(self, reason: str) -> None:
        """End the request in flight, which is a failure of that kind."""
        exchange = self._exchange
        if exchange is not None:
            exchange.fail(reason)
            self._finish(exchange, keep=False)

    @property
    def exchange(self) -> Exchange | None:
        """What is in flight on it."""
        return self._exchange

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        now = _monotonic()
        exchange = self._exchange
        if exchange is None:
            self._pool.drop(self)  # bytes that nobody asked for: what comes next could not be told apart
            return
        try:
            if self._head is None:
                data = self._read_head(data)
                if self._head is None:
                    return
            self._read_body(exchange, data, now)
        except (BadAnswer, BadChunk, msgspec.MsgspecError, UnicodeDecodeError):
            exchange.ended = now
            exchange.fail("unreadable answer")
            self._finish(exchange, keep=False)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        exchange = self._exchange
        if exchange is None:
            self._pool.drop(self)
            return
        head = self._head
        exchange.ended = _monotonic()
        untouched = self._used and head is None and not self._received and not exchange.retried
        if untouched and exchange.ended - exchange.sent < _UNSEEN_S:
            # An idle connection that its server closed at that very moment: the request was never seen.
            self._exchange = None
            self._pool.drop(self)
            self._pool.again(exchange)
            return
        if head is None:
            exchange.fail("dropped before the answer")
        elif head.body_bytes != UNTIL_CLOSE or error is not None:
            exchange.fail("dropped in the answer")
        else:
            self._conclude(exchange)
        self._finish(exchange, keep=False)

    def _reset(self) -> None:
        self._head: ResponseHead | None = None
        self._chunks: ChunkedDecoder | None = None
        self._received = b""
        self._held = b""
        self._body: list[bytes] = []
        self._left = 0

    def _read_head(self, data: bytes) -> bytes:
        received = self._received + data if self._received else data
        found = parse_head(received)
        if found is None:
            self._received = received
            return b""
        self._head, end = found
        self._received = received[:1]  # something came: a drop from here on is no idle connection's
        self._left = self._head.body_bytes
        self._chunks = ChunkedDecoder() if self._left == CHUNKED else None
        return received[end:]

    def _read_body(self, exchange: Exchange, data: bytes, now: float) -> None:
        head, chunks = self._head, self._chunks
        if head is None:
            raise AssertionError("a body is read before its head")
        if chunks is not None:
            payload = chunks.feed(data) if data else b""
            whole = chunks.done
        else:
            payload = data if self._left < 0 else data[: self._left]
            self._left -= len(payload) if self._left >= 0 else 0
            whole = self._left == 0
        if payload:
            if head.status == 200 and head.content_type.startswith(b"text/event-stream"):
                self._read_events(exchange, payload, now)
            else:
                self._body.append(payload)
        if whole:
            exchange.ended = now
            self._conclude(exchange)
            self._finish(exchange, keep=head.keep_alive)

    def _read_events(self, exchange: Exchange, payload: bytes, now: float) -> None:
        if self._held:
            payload = self._held + payload
            self._held = b""
        if payload.endswith(b"\n\n"):
            parts = payload.split(b"\n\n")[:-1]
        else:
            *parts, self._held = payload.replace(b"\r\n", b"\n").split(b"\n\n")
        for part in parts:
            if part.startswith(b"data: {"):
                _note(exchange, part[6:], now)
            elif part == b"data: [DONE]":
                exchange.finished = True
            else:
                _note_odd(exchange, part, now)

    def _conclude(self, exchange: Exchange) -> None:
        """Judge an answer that is whole as HTTP."""
        head = self._head
        if head is None:
            return
        if head.status != 200:
            code = error_code(b"".join(self._body))
            name = f"{head.status} {code}" if code else str(head.status)
            exchange.fail(name, rejected=head.status in _REJECTIONS)
        elif head.content_type.startswith(b"text/event-stream"):
            if not exchange.finished:
                exchange.fail("stream cut short")
        else:
            self._read_whole(exchange)

    def _read_whole(self, exchange: Exchange) -> None:
        try:
            _note(exchange, b"".join(self._body), exchange.ended)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            exchange.fail("unreadable answer")
            return
        exchange.times = exchange.times[:0]  # a whole answer shows no first token
        if not exchange.finished:
            exchange.fail("answer without an end")

    def _finish(self, exchange: Exchange, *, keep: bool) -> None:
        self._exchange = None
        self._used = True
        self._reset()
        if keep:
            self._pool.give(self)
        else:
            self._pool.drop(self)
        self._pool.ended(exchange)


def _note(exchange: Exchange, raw: bytes, now: float) -> None:
    event = EVENT.decode(raw)
    if said(event.error):
        exchange.fail(f"error in the answer: {error_code(bytes(event.error)) or 'unnamed'}")
        return
    text = event.text
    if text:
        exchange.times.append(now)
        exchange.text_bytes += len(text) if text.isascii() else len(text.encode())
        if exchange.text is not None:
            exchange.text.append(text)
    elif said(event.output):
        exchange.text_bytes += len(bytes(event.output))
    exchange.events += 1
    if event.choices and exchange.times:
        exchange.last = now
    if event.finished:
        exchange.finished = True
    tokens = event.tokens
    if tokens is not None:
        exchange.input_tokens, exchange.told_tokens = tokens


def _note_odd(exchange: Exchange, part: bytes, now: float) -> None:
    """An event that is not one `data: {…}` line: named events of /v1/responses, comments, other line breaks."""
    for line in part.splitlines():
        if line.startswith(b"data:"):
            raw = line[5:].strip()
            if raw == b"[DONE]":
                exchange.finished = True
            elif raw:
                _note(exchange, raw, now)
