"""A stream on its way from an engine to a client.

Bytes that end where a chunk and an event end are passed on untouched. Anything else is held back to the last whole
event, so that whatever happens next, an error event can still be put behind what the client has.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from forebay.gateway.refusal import EngineFailed, Refusal
from forebay.wire.chunked import LAST_CHUNK, BadChunk, ChunkedDecoder, chunk
from forebay.wire.dialect import OPENAI, Dialect
from forebay.wire.finish import finish_in
from forebay.wire.response import CHUNKED, UNTIL_CLOSE, ResponseHead
from forebay.wire.sse import data_of, events, events_end
from forebay.wire.usage import cached_in

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.upstream import EngineConnection
    from forebay.observe.page import Histogram

_USAGE_KEY = b'"usage":'
_USAGE, _USAGE_SPACED = b'"usage":{', b'"usage": {'
_NO_CHOICES = (b'"choices":[]', b'"choices": []')


class StreamPump:
    """Carries one stream. It tells the call twice: when the first event is there, and when the stream ended.

    `cut` is why an engine did not finish, a bounded word; empty after a clean end. `events` have come whole: what a
    call is charged for whose client left before the engine told its tokens.
    """

    __slots__ = (
        "_call",
        "_chunk_s",
        "_chunks",
        "_connection",
        "_dialect",
        "_event_bytes",
        "_excess",
        "_gaps",
        "_held",
        "_keep_alive",
        "_keep_usage",
        "_last_at",
        "_last_events",
        "_missing",
        "_open",
        "cut",
        "ended",
        "events",
        "usage",
    )

    def __init__(self, call: Call, connection: EngineConnection, head: ResponseHead, gaps: Histogram) -> None:
        self._call = call
        self._connection = connection
        self._gaps = gaps
        self._chunks = ChunkedDecoder() if head.body_bytes == CHUNKED else None
        self._missing = head.body_bytes
        self._excess = False
        self._keep_alive = head.keep_alive
        self._held = b""
        self._last_events = b""
        self._last_at = 0.0
        self._open = False
        self._keep_usage = True
        self._event_bytes = 0
        self._chunk_s = 0.0
        self._dialect = OPENAI
        self.usage: tuple[int, int] | None = None
        self.cut = ""
        self.ended = False
        self.events = 0

    def bound(self, *, event_bytes: int, chunk_s: float, keep_usage: bool) -> StreamPump:
        """Set the longest event, the longest silence, and whether the client asked for the usage event."""
        self._event_bytes = event_bytes
        self._chunk_s = chunk_s
        self._keep_usage = keep_usage
        return self

    def speaking(self, dialect: Dialect) -> StreamPump:
        """Set how the route words errors, counts tokens and ends a stream."""
        self._dialect = dialect
        return self

    def begin(self, head: bytes) -> None:
        """Write the head and the events that are there; from now on there is no other engine."""
        self._open = True
        first = self._last_events
        self._last_at = time.monotonic()
        if self.ended:
            self._call.client.write(head + chunk(first) + self._ending())
        else:
            self._connection.deadline = self._last_at + self._chunk_s
            self._call.client.write(head + chunk(first))

    def stop(self, refusal: Refusal) -> None:
        """End the stream for a reason of our own; the client has whole events, so it can be told."""
        self._call.client.write(chunk(self._dialect.error_event(refusal.fault)) + LAST_CHUNK)

    def received(self, data: bytes) -> None:
        if not self._open:
            self._received_first(data)
            return
        now = time.monotonic()
        self._gaps.observe(now - self._last_at)
        self._last_at = now
        self._connection.deadline = now + self._chunk_s
        chunks = self._chunks
        if chunks is None or self._held or not chunks.aligned:
            self._received_piecewise(data)
            return
        try:
            payload = chunks.feed(data)
        except BadChunk:
            self._end("bad_framing")
            return
        self._pass_on(payload, data, chunks)

    def _pass_on(self, payload: bytes, data: bytes, chunks: ChunkedDecoder) -> None:
        """Write what came untouched where it ends an event and a chunk; `data` is `payload` as it was framed."""
        if chunks.aligned and not chunks.done and payload.endswith(b"\n\n") and not _has_usage(payload):
            self._last_events = payload
            self.events += payload.count(b"\n\n")
            self._call.client.write(data)
        else:
            self._take(payload)

    def lost(self, reason: str) -> None:
        """The connection ended before the framing did, unless its end was the framing."""
        self._end("no_done" if self._missing == UNTIL_CLOSE and reason == "closed" and not self._held else reason)

    def _received_first(self, data: bytes) -> None:
        """Hold the answer's beginning until one event is whole: until then another engine may be asked."""
        self._received_piecewise(data)
        if self._last_events:
            self._call.signal(self._connection, self)

    def _received_piecewise(self, data: bytes) -> None:
        payload = data
        if self._chunks is not None:
            try:
                payload = self._chunks.feed(data)
            except BadChunk:
                self._end("bad_framing")
                return
        elif self._missing != UNTIL_CLOSE:
            payload = data[: self._missing]
            self._excess = len(payload) < len(data)
            self._missing -= len(payload)
        self._take(payload)

    def _take(self, payload: bytes) -> None:
        """Pass on whole events, hold the rest, and see whether the stream is over."""
        if self._held:
            payload = self._held + payload
        end = events_end(payload)
        whole, self._held = payload[:end], payload[end:]
        if len(self._held) > self._event_bytes:
            self._end("event_too_long")
            return
        over = self._chunks.done if self._chunks is not None else self._missing == 0
        if whole:
            self.events += whole.count(b"\n\n")
            whole = self._read(whole)
            self._last_events = whole
        if over:
            self._end("half_event" if self._held else "no_done", whole)
        elif whole and self._open:
            self._call.client.write(chunk(whole))

    def _read(self, whole: bytes) -> bytes:
        """Learn from whole events what must be known, and return what the client gets of them."""
        return self._read_usage(whole) if _has_usage(whole) else whole

    def _read_usage(self, whole: bytes) -> bytes:
        """Note the token counts; drop the event that carries nothing else if the client did not ask for it."""
        kept = []
        for each in events(whole):
            if _has_usage(each):
                self.usage = self._dialect.usage(data_of(each), self.usage) or self.usage
                if self._call.want.blocks or self._call.ledger.lane:
                    self._call.ledger.cached_tokens = cached_in(data_of(each))
                if self._call.ledger.lane:
                    self._call.ledger.finish = finish_in(self._last_events + whole)
                if not self._keep_usage and any(empty in each for empty in _NO_CHOICES):
                    continue
            kept.append(each)
        return b"".join(kept)

    def _end(self, cut: str, last: bytes = b"") -> None:
        """The stream is over; the client gets what is whole, then how it ended.

        Behind `[DONE]`, or what the route has instead, nothing is missing, however the engine's framing ends: `cut` is
        then of no account.
        """
        if self.ended:
            return
        self.ended = True
        self.cut = "" if not self._held and self._dialect.is_complete(self._last_events) else cut
        self._call.upstream = None
        if self._keep_alive and not self.cut and self._framed():
            self._connection.release()
        else:
            self._connection.abort()
        if self._open:
            self._call.client.write((chunk(last) if last else b"") + self._ending())
            self._call.signal(self, self)
        elif self.cut and not self._last_events:
            self._call.fail(self._connection, EngineFailed(self.cut, sent=True))

    def _framed(self) -> bool:
        """Whether the engine's answer ended exactly where its framing says."""
        if self._chunks is not None:
            return self._chunks.done and not self._chunks.rest
        return self._missing == 0 and not self._excess

    def _ending(self) -> bytes:
        if not self.cut:
            return LAST_CHUNK
        message = "The engine ended this stream before its answer was complete."
        return chunk(self._dialect.error_event(Refusal("stream_cut", message).fault)) + LAST_CHUNK


def _has_usage(text: bytes) -> bool:
    # `in` costs 2,300 instructions more: CPython first tries whether the bytes are a number.
    return text.find(_USAGE_KEY) >= 0 and (text.find(_USAGE) >= 0 or text.find(_USAGE_SPACED) >= 0)
