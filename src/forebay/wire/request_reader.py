"""Whole requests out of a client's bytes, one at a time; what lies behind one waits until it is asked for."""

from __future__ import annotations

from enum import Enum

import msgspec

from forebay.wire.chunked import BadChunk, ChunkedDecoder
from forebay.wire.request import CHUNKED, Malformed, RequestHead, parse_head


class Phase(Enum):
    """How far the next request has come."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"


class RequestLimits(msgspec.Struct, frozen=True):
    """Bounds in bytes; see `gateway.limits` of the configuration."""

    target_bytes: int
    head_bytes: int
    body_bytes: int


class RequestReader:
    """Feed bytes, take requests. After Malformed it must not be fed again.

    `wants_continue`: the client waits for `100 Continue` before it sends the body. Other `limits` hold from the next
    request on.
    """

    __slots__ = ("_body", "_chunks", "_held", "_missing", "head", "limits", "wants_continue")

    def __init__(self, limits: RequestLimits) -> None:
        self.limits = limits
        self._held = b""
        self._body = bytearray()
        self._missing = 0
        self._chunks: ChunkedDecoder | None = None
        self.head: RequestHead | None = None
        self.wants_continue = False

    @property
    def phase(self) -> Phase:
        if self.head is not None:
            return Phase.BODY
        return Phase.HEAD if self._held else Phase.IDLE

    @property
    def held_bytes(self) -> int:
        """Bytes that wait for the next request."""
        return len(self._held)

    def hold(self, received: bytes) -> None:
        """Keep bytes for later, while a call is in flight."""
        self._held += received

    def feed(self, received: bytes) -> tuple[RequestHead, bytes] | None:
        """Return the next whole request, or None while it is incomplete; raises Malformed."""
        if self._held:
            received = self._held + received
            self._held = b""
        if self.head is not None:
            return self._feed_body(received)
        if not received:
            return None
        limits = self.limits
        parsed = parse_head(received, limits.target_bytes, limits.head_bytes)
        if parsed is None:
            self._held = received
            return None
        head, end = parsed
        length = head.body_bytes
        if length > limits.body_bytes:
            self.head = head  # for who words the refusal
            raise self._too_long()
        if length and head.method != b"POST":
            raise Malformed(400, "unexpected_body", f"A {head.method.decode()} request has no body here.")
        if length >= 0 and len(received) >= end + length:
            self._held = received[end + length :]
            return head, received[end : end + length]
        self._open_body(head)
        return self._feed_body(received[end:])

    def _open_body(self, head: RequestHead) -> None:
        self.head = head
        self._body = bytearray()
        self._missing = head.body_bytes
        self._chunks = ChunkedDecoder() if head.body_bytes == CHUNKED else None
        self.wants_continue = head.expects_continue

    def _feed_body(self, received: bytes) -> tuple[RequestHead, bytes] | None:
        chunks = self._chunks
        if chunks is not None:
            try:
                payload = chunks.feed(received)
            except BadChunk as error:
                raise Malformed(400, "bad_chunk", f"The body cannot be framed: {error}.") from None
            whole, rest = chunks.done, chunks.rest
        else:
            payload, rest = received[: self._missing], received[self._missing :]
            self._missing -= len(payload)
            whole = self._missing == 0
        self._body += payload  # one buffer, not a list: a body that comes byte by byte would weigh forty times itself
        if len(self._body) > self.limits.body_bytes:
            raise self._too_long()
        if not whole or self.head is None:
            return None
        head, self.head, self._held = self.head, None, rest
        body, self._body = bytes(self._body), bytearray()
        return head, body

    def _too_long(self) -> Malformed:
        return Malformed(413, "body_too_large", f"The body is larger than {self.limits.body_bytes} bytes.")
