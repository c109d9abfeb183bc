"""The client of a call whose answer is searched: what is written to it goes on when it is decided, or not at all.

An event goes on byte for byte as it came where nothing in it was replaced. It waits while the end of a text in it may
yet become a value; events of other texts pass it. Nothing that has gone on is ever changed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import msgspec
import orjson

from forebay.gateway.privacy.events import BadEvent, Read, Said, ends, is_plain, read, texts_of
from forebay.gateway.privacy.guard import failed, withheld
from forebay.gateway.privacy.walk import TOKENS, Walk
from forebay.gateway.respond import STREAMED
from forebay.privacy.replace import Blocked
from forebay.privacy.search import search
from forebay.privacy.stream import Channel
from forebay.wire.chunked import LAST_CHUNK, ChunkedDecoder, chunk
from forebay.wire.sse import events, events_end

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.ingress import ClientConnection
    from forebay.gateway.privacy.guard import Guard
    from forebay.gateway.refusal import Refusal
    from forebay.gateway.screen import Asked
    from forebay.wire.request import RequestHead

_COMMENT = b": \n\n"
# Events that wait; their texts alone are bounded by how long a value may be.
_WAITING_BYTES = 1024 * 1024
_SILENCE_S = 10.0


class _Waiting(msgspec.Struct, gc=False):
    """An event with what it says in texts that go on; `changed`: something else in it was replaced."""

    raw: bytes
    read: Read
    said: list[tuple[Said, Channel, int]]
    changed: bool


class Outlet:
    """What a call needs of its client, and nothing more."""

    __slots__ = (
        "_begun",
        "_call",
        "_channels",
        "_chunks",
        "_client",
        "_dialect",
        "_endpoint",
        "_guard",
        "_held",
        "_over",
        "_timed",
        "_waiting",
        "_waiting_bytes",
    )

    def __init__(self, call: Call, asked: Asked, guard: Guard) -> None:
        self._call = call
        self._client: ClientConnection = call.client
        self._guard = guard
        self._endpoint = asked.route.endpoint
        self._dialect = asked.route.dialect
        self._channels: dict[tuple[object, ...], Channel] = {}
        self._chunks: ChunkedDecoder | None = None
        self._held = b""
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._begun = self._over = self._timed = False

    # -- as a client connection

    @property
    def peer(self) -> str:
        return self._client.peer

    @property
    def is_stalled(self) -> bool:
        return self._client.is_stalled

    def keeps_alive(self, head: RequestHead) -> bool:
        return self._client.keeps_alive(head)

    def close_after_answer(self) -> None:
        self._client.close_after_answer()

    def abort(self) -> None:
        self._over = True
        self._client.abort()

    def call_ended(self) -> None:
        self._over = True
        self._client.call_ended()

    def write(self, data: bytes) -> None:
        """Take a part of the answer. A whole one was searched before it was written."""
        head = b""
        if not self._begun:
            self._begun = True
            end = data.find(b"\r\n\r\n") + 4
            head, data = data[:end], data[end:]
            if STREAMED in head:
                self._chunks = ChunkedDecoder()
        chunks = self._chunks
        if chunks is None:
            self._client.write(head + data)
        elif not self._over and (data or head):
            self._write(head, data, chunks)

    # -- inside

    def _write(self, head: bytes, data: bytes, chunks: ChunkedDecoder) -> None:
        ready: list[bytes] = []
        refusal: Refusal | None = None
        try:
            if data:
                self._take(chunks.feed(data), ready)
            if chunks.done:
                self._finish(ready)
        except Blocked as blocked:
            refusal = withheld(blocked)
        except Exception as error:  # noqa: BLE001  whatever it was, what is not searched does not go on
            refusal = failed(error)
        if refusal is not None:
            ready.append(self._dialect.error_event(refusal.fault))
            self._stop(refusal)
        if chunks.done or refusal is not None:
            self._over = True
            self._guard.count_output()
            self._client.write(head + _chunk(ready) + LAST_CHUNK)
        elif head or ready:
            self._client.write(head + _chunk(ready))
        if self._waiting and not self._over and not self._timed:
            self._watch()

    def _take(self, payload: bytes, ready: list[bytes]) -> None:
        if self._held:
            payload, self._held = self._held + payload, b""
        end = events_end(payload)
        payload, self._held = payload[:end], payload[end:]
        for event in events(payload):
            self._add(event, ready)
        if self._waiting_bytes + len(self._held) > _WAITING_BYTES:
            raise BadEvent

    def _add(self, raw: bytes, ready: list[bytes]) -> None:
        if raw.startswith(b":"):
            ready.append(_COMMENT)  # it may say anything, and nobody reads it
            return
        event = read(raw)
        fields = event.fields
        said = [self._hear(each) for each in texts_of(fields, self._endpoint) if each.where[each.member]]
        changed = False
        if fields and not is_plain(fields):
            changed = self._search_rest(fields, said)
        over = ends(fields, self._endpoint) if fields else [()] if event.data == b"[DONE]" else []
        for key, channel in self._channels.items():
            if not channel.over and any(key[: len(begun)] == begun for begun in over):
                channel.finish()
        self._waiting.append(_Waiting(raw, event, said, changed))
        self._waiting_bytes += len(raw)
        self._release(ready)

    def _hear(self, said: Said) -> tuple[Said, Channel, int]:
        channel = self._channels.get(said.key)
        if channel is None:
            channel = Channel(search(self._guard.detector), self._guard.output, is_json=said.is_json)
            self._channels[said.key] = channel
        elif channel.over:
            raise BadEvent  # what would join with it has gone on
        channel.add(said.where[said.member])
        return said, channel, channel.end

    def _search_rest(self, fields: dict[str, object], said: list[tuple[Said, Channel, int]]) -> bool:
        """What an event says but for texts that go on is whole, and searched as such."""
        texts = [(each, each.where[each.member]) for each, _, _ in said]
        for each, _ in texts:
            each.where[each.member] = ""
        try:
            return Walk(self._guard.detector, self._guard.output, own_numbers=True).over(fields)
        finally:
            for each, text in texts:
                each.where[each.member] = text

    def _release(self, ready: list[bytes]) -> None:
        """Let go on what is decided. Texts keep their order; what belongs to none waits for all before it."""
        kept: list[_Waiting] = []
        blocked: set[Channel] = set()
        stopped = False
        for event in self._waiting:
            channels = {channel for _, channel, _ in event.said}
            free = not blocked if not channels else channels.isdisjoint(blocked)
            if not stopped and free and all(channel.decided >= end for _, channel, end in event.said):
                self._waiting_bytes -= len(event.raw)
                ready.append(_written(event))
                continue
            blocked |= channels
            stopped = stopped or not channels
            kept.append(event)
        self._waiting = kept

    def _finish(self, ready: list[bytes]) -> None:
        """The stream is over, however it ended: what was held is decided now."""
        if self._held:
            raise BadEvent
        for channel in self._channels.values():
            if not channel.over:
                channel.finish()
        self._release(ready)

    def _stop(self, refusal: Refusal) -> None:
        """Have the engine stop; not from within what it just said."""
        self._call.ledger.code = refusal.code

        def interrupt() -> None:
            if self._call.upstream is not None:
                self._call.interrupt(refusal)

        asyncio.get_running_loop().call_soon(interrupt)

    def _watch(self) -> None:
        """While something is held, say now and then that the stream lives; nothing is let go for want of time."""
        self._timed = True
        asyncio.get_running_loop().call_later(_SILENCE_S, self._say)

    def _say(self) -> None:
        self._timed = False
        if self._waiting and not self._over:
            self._client.write(chunk(_COMMENT))
            self._watch()


def outlet(call: Call, asked: Asked, guard: Guard) -> ClientConnection:
    """What stands between a call and its client from now on."""
    return cast("ClientConnection", Outlet(call, asked, guard))


def _written(event: _Waiting) -> bytes:
    """The event without its values. Raises Blocked."""
    changed = event.changed
    for said, channel, _ in event.said:
        text = channel.take()
        if text != said.where[said.member]:
            changed = True
            said.where[said.member] = text
            for name in TOKENS:
                if said.owner.get(name) is not None:
                    said.owner[name] = [] if type(said.owner[name]) is list else None
    return event.read.head + b"data: " + orjson.dumps(event.read.fields) + b"\n\n" if changed else event.raw


def _chunk(ready: list[bytes]) -> bytes:
    return chunk(b"".join(ready)) if ready else b""
