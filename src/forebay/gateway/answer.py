"""What comes back from an engine: a head, then either a whole body that is held, or a stream."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from forebay.gateway.refusal import EngineFailed
from forebay.wire.chunked import BadChunk, ChunkedDecoder
from forebay.wire.response import CHUNKED, UNTIL_CLOSE, BadAnswer, ResponseHead, parse_head

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.pump import StreamPump
    from forebay.gateway.upstream import EngineConnection

# A closed connection shows within a round trip of the write; later it was the work that was lost.
_STALE_S = 0.25


class WholeAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer held completely: until here another engine could still be asked."""

    status: int
    content_type: bytes
    retry_after: bytes
    body: bytes


class AnswerReader:
    """Reads an answer's head and body. A stream is handed to the pump that `make_pump` makes."""

    __slots__ = (
        "_body",
        "_call",
        "_chunks",
        "_connection",
        "_head",
        "_held",
        "_limit_bytes",
        "_make_pump",
        "_sent_at",
    )

    def __init__(
        self,
        call: Call,
        connection: EngineConnection,
        limit_bytes: int,
        make_pump: Callable[[EngineConnection, ResponseHead], StreamPump],
        sent_at: float,
    ) -> None:
        self._call = call
        self._connection = connection
        self._limit_bytes = limit_bytes
        self._sent_at = sent_at
        self._make_pump = make_pump
        self._head: ResponseHead | None = None
        self._chunks: ChunkedDecoder | None = None
        self._held = b""
        self._body: bytearray | None = None

    def received(self, data: bytes) -> None:
        try:
            if self._head is None:
                self._read_head(self._held + data if self._held else data)
            else:
                self._read_body(data)
        except (BadAnswer, BadChunk):
            self._fail("bad_answer")

    def lost(self, reason: str) -> None:
        head = self._head
        if head is not None and head.body_bytes == UNTIL_CLOSE and reason == "closed":
            self._finish(head, bytes(self._body or b""), reusable=False)
            return
        # A kept connection that the engine was just closing: nothing was begun, nobody is to blame.
        stale = self._connection.reused and head is None and not self._held and reason != "timeout"
        stale = stale and time.monotonic() - self._sent_at < _STALE_S
        self._call.fail(self._connection, EngineFailed("stale" if stale else reason, sent=not stale))

    def _read_head(self, received: bytes) -> None:
        while True:
            parsed = parse_head(received) if received else None
            if parsed is None:
                self._held = received
                return
            head, end = parsed
            rest = received[end:]
            if head.status >= 200:
                break
            received = rest  # an interim answer; the real one follows
        self._held = b""
        self._head = head
        if head.status == 200 and head.content_type.startswith(b"text/event-stream"):
            pump = self._make_pump(self._connection, head)
            self._connection.reader = pump
            if rest or head.body_bytes == 0:
                pump.received(rest)
            return
        if head.body_bytes == CHUNKED:
            self._chunks = ChunkedDecoder()
        elif head.body_bytes == len(rest) <= self._limit_bytes:
            self._finish(head, rest, reusable=head.keep_alive)
            return
        self._read_body(rest)

    def _read_body(self, data: bytes) -> None:
        head, chunks = self._head, self._chunks
        if head is None:
            return
        body = self._body
        if body is None:
            body = self._body = bytearray()
        body += chunks.feed(data) if chunks else data
        size = len(body)
        if size > self._limit_bytes:
            self._fail("answer_too_large")
        elif chunks is not None:
            if chunks.done:
                self._finish(head, bytes(body), reusable=head.keep_alive and not chunks.rest)
        elif size == head.body_bytes:
            self._finish(head, bytes(body), reusable=head.keep_alive)
        elif head.body_bytes != UNTIL_CLOSE and size > head.body_bytes:
            self._fail("bad_answer")  # it said less than it sends: which of the two is whole nobody knows

    def _finish(self, head: ResponseHead, body: bytes, *, reusable: bool) -> None:
        if reusable:
            self._connection.release()
        else:
            self._connection.abort()
        answer = WholeAnswer(head.status, head.content_type, head.retry_after, body)
        self._call.signal(self._connection, answer)

    def _fail(self, reason: str) -> None:
        self._connection.abort()
        self._call.fail(self._connection, EngineFailed(reason, sent=True))
