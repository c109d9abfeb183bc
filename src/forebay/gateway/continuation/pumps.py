"""Streams whose tokens are noted, so that another engine can go on where this one stops."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forebay.gateway.continuation.events import (
    Origin,
    Seen,
    is_failure,
    origin_of,
    read,
    text_event,
    text_of,
    usage_event,
    without_ids,
)
from forebay.gateway.continuation.record import Diverged, Record
from forebay.gateway.pump import StreamPump
from forebay.wire.chunked import LAST_CHUNK, ChunkedDecoder, chunk
from forebay.wire.response import ResponseHead
from forebay.wire.sse import event, events

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.upstream import EngineConnection
    from forebay.observe.page import Histogram

_DONE = event(b"[DONE]")


class RecordedPump(StreamPump):
    """A stream from the engine that was asked first.

    Unlike its base it leaves the client's stream open when the engine cuts it: whoever waits for it either goes on
    with another engine or calls `give_up`. A failure that the engine reports within the stream is a cut as well.
    """

    __slots__ = ("_fault", "origin", "record")

    def __init__(self, call: Call, connection: EngineConnection, head: ResponseHead, gaps: Histogram) -> None:
        super().__init__(call, connection, head, gaps)
        self.record = Record()
        self.origin: Origin | None = None
        self._fault = ""

    def recording(self, record: Record) -> RecordedPump:
        """Set where tokens are noted."""
        self.record = record
        return self

    @property
    def counts(self) -> tuple[int, int] | None:
        """Tokens of the prompt and of the answer: as the engine reported them, or as they were seen."""
        if self.usage is not None or self.record.prompt_ids is None:
            return self.usage
        return len(self.record.prompt_ids), len(self.record.tokens)

    def give_up(self) -> None:
        """Nobody goes on: tell the client that its answer is not complete."""
        self._call.client.write(super()._ending())

    def complete(self, *, chat: bool) -> None:
        """The text was whole and its end alone is missing: write that."""
        counts = self.counts
        usage = b""
        if self._keep_usage and self.usage is None and self.origin is not None and counts is not None:
            usage = usage_event(self.origin, *counts, chat=chat)
        self.usage = counts
        self._call.client.write(chunk(usage + _DONE) + LAST_CHUNK)

    def _pass_on(self, payload: bytes, data: bytes, chunks: ChunkedDecoder) -> None:
        if chunks.done or not payload.endswith(b"\n\n") or payload.count(b"\n") != 2:
            self._take(payload)
            return
        self.events += 1
        self._last_events = whole = self._read_event(payload)
        if self._fault:
            self._end(self._fault)
        elif whole:
            self._call.client.write(chunk(whole))

    def _take(self, payload: bytes) -> None:
        super()._take(payload)
        if self._fault and not self.ended:
            self._end(self._fault)

    def _read(self, whole: bytes) -> bytes:
        if whole.count(b"\n\n") == 1 and b"\r" not in whole:
            return b"" if self._fault else self._read_event(whole)
        return b"".join([self._read_event(each) for each in events(whole) if not self._fault])

    def _read_event(self, whole: bytes) -> bytes:
        seen = read(whole)
        if seen is None:
            return whole
        if is_failure(seen, whole):
            self._fault = "engine_error"  # it then ends its stream as if it were complete
            return b""
        record = self.record
        if record.prompt_ids is None:
            self._note_origin(seen, whole)
        if seen.usage is not None:
            self.usage = seen.usage.prompt_tokens, seen.usage.completion_tokens
            if not seen.choices and not self._keep_usage:
                return b""
        for choice in seen.choices:
            text = text_of(choice)
            if text is None or (text and choice.token_ids is None):
                record.broken = True
            elif choice.token_ids is not None:
                record.note(text, choice.token_ids)
            if choice.finish_reason is not None:
                record.finish(choice.finish_reason)
        return whole if record.shows_ids else without_ids(whole)

    def _note_origin(self, seen: Seen, whole: bytes) -> None:
        ids = seen.prompt_token_ids or (seen.choices[0].prompt_token_ids if seen.choices else None)
        if ids is not None:
            self.record.prompt_ids = ids
            self.origin = origin_of(whole)

    def _end(self, cut: str, last: bytes = b"") -> None:
        # A stream may come whole in one piece: what was wrong in it then counts, and not that its end is missing.
        super()._end(self._fault or cut, last)

    def _ending(self) -> bytes:
        return b"" if self.cut else LAST_CHUNK


class ContinuedPump(RecordedPump):
    """The rest of a stream from a further engine, put into the shape of the first one's events."""

    __slots__ = ("_chat",)
    _chat: bool

    def continuing(self, before: RecordedPump, *, chat: bool) -> ContinuedPump:
        """Go on with what `before` has noted."""
        self.record, self.origin = before.record, before.origin
        self._chat = chat
        return self

    def _read_event(self, whole: bytes) -> bytes:
        seen = read(whole)
        if seen is None:
            return whole
        if self.origin is None or is_failure(seen, whole):
            self._fault = "engine_error"
            return b""
        try:
            return self._translated(seen, self.origin)
        except Diverged:
            self._fault = "diverged"
            return b""

    def _translated(self, seen: Seen, origin: Origin) -> bytes:
        record, written = self.record, b""
        for choice in seen.choices:
            ids = choice.token_ids or []
            text = record.note(text_of(choice) or "", ids)
            shown = record.note_ids(ids) if record.shows_ids else None
            if choice.finish_reason is not None:
                record.finish(choice.finish_reason)
            if text or shown or choice.finish_reason is not None:
                written += text_event(origin, text, choice, shown, chat=self._chat)
        if seen.usage is not None and record.prompt_ids is not None:
            self.usage = len(record.prompt_ids), record.kept + seen.usage.completion_tokens
            if self._keep_usage:
                written += usage_event(origin, *self.usage, chat=self._chat)
        return written
