"""A client's connection: requests out of its bytes, answers into it, and how long it may take over either."""

from __future__ import annotations

import asyncio
import time

from forebay.gateway import respond
from forebay.gateway.call import Call, Ledger
from forebay.gateway.parts import Parts
from forebay.gateway.path import serve, serve_recorded
from forebay.gateway.refusal import ClientGone, Refusal
from forebay.gateway.request_ids import new_request_id
from forebay.gateway.routes import dialect_of
from forebay.gateway.settle import settle
from forebay.wire.request import Malformed, RequestHead
from forebay.wire.request_reader import Phase, RequestReader

_PIPELINED_BYTES = 64 * 1024
_LINGER_S = 2.0
_SLOWEST_BODY_BYTES_S = 64 * 1024
_NEVER = float("inf")
_NO_HEAD = RequestHead(b"", b"", 0, False, True, b"", b"", b"", False, False, b"", "", b"")


class ClientConnection(asyncio.Protocol):
    """One client connection: one call at a time, further requests wait their turn, bounded.

    `deadline` is when what the connection is doing has taken too long; the worker's sweep looks at it.
    """

    __slots__ = (
        "_began_at",
        "_call",
        "_closing",
        "_head_seen",
        "_lingering",
        "_parts",
        "_reader",
        "_reading_paused",
        "_stalled_since",
        "_transport",
        "deadline",
        "peer",
    )

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._reader = RequestReader(parts.view.limits)
        self._transport: asyncio.Transport | None = None
        self._call: Call | None = None
        self._began_at = 0.0
        self._closing = False
        self._lingering = False
        self._head_seen = False
        self._reading_paused = False
        self._stalled_since = 0.0
        self.deadline = _NEVER
        self.peer = ""

    # -- the transport's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP transport both reads and writes
        peer = transport.get_extra_info("peername")
        self.peer = peer[0] if peer else ""
        parts = self._parts
        if parts.draining or len(parts.clients) >= parts.view.policy.connections:
            self.abort()
            return
        parts.clients.add(self)
        self.deadline = parts.clock() + parts.view.policy.head_s

    def data_received(self, data: bytes) -> None:
        if self._call is not None:
            self._hold(data)
        elif not self._lingering:
            self._read(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._parts.clients.discard(self)
        self.deadline = _NEVER
        if self._call is not None:
            self._call.interrupt(ClientGone("client_left"))

    def pause_writing(self) -> None:
        """The client is slower than the engine: stop reading from the engine, and watch how long it lasts."""
        self._stalled_since = self._parts.clock()
        if self._call is not None and self._call.upstream is not None:
            self._call.upstream.pause()
        self.deadline = min(self.deadline, self._stalled_since + self._parts.view.policy.stall_s)

    def resume_writing(self) -> None:
        self._stalled_since = 0.0
        now = self._parts.clock()
        if self._lingering:
            self.deadline = now + _LINGER_S
        elif self._call is not None:
            self.deadline = self._call.deadline
            if self._call.upstream is not None:
                self._call.upstream.resume(now + self._parts.view.policy.chunk_s)
        else:
            self.deadline = now + self._parts.view.policy.idle_s

    # -- for the call

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def keeps_alive(self, head: RequestHead) -> bool:
        """Whether the connection takes another request after this answer."""
        return head.keep_alive and not self._closing and not self._parts.draining

    @property
    def is_stalled(self) -> bool:
        """Whether the client reads more slowly than it is written to."""
        return bool(self._stalled_since)

    def close_after_answer(self) -> None:
        self._closing = True

    def abort(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def call_ended(self) -> None:
        """The call is settled: take the next request, or close."""
        call, self._call = self._call, None
        if self._transport is None or self._transport.is_closing() or call is None:
            return
        if not self.keeps_alive(call.head):
            self._linger()
            return
        now = self._parts.clock()
        self.deadline = now + self._parts.view.policy.idle_s
        if self._stalled_since:
            self.deadline = self._stalled_since + self._parts.view.policy.stall_s
        if self._reading_paused:
            self._reading_paused = False
            self._transport.resume_reading()
        if self._reader.held_bytes:
            asyncio.get_running_loop().call_soon(self._read_held)

    # -- for the worker

    def expire(self, now: float) -> None:
        """The deadline has passed: end what takes too long, with an answer where one can still be given."""
        self.deadline = _NEVER
        if self._call is not None:
            self._expire_call(now)
        elif self._lingering or self._reader.phase is Phase.IDLE or self._stalled_since:
            self.abort()
        elif self._reader.phase is Phase.HEAD:
            self._reject("head_timeout", "The head of the request came too slowly.")
        else:
            self._reject("body_timeout", "The body of the request came too slowly.")

    def drain(self) -> None:
        """The worker stops: idle connections close now, others after their answer."""
        self._closing = True
        if self._call is None and self._reader.phase is Phase.IDLE and self._transport is not None:
            self._transport.close()

    # -- inside

    def _expire_call(self, now: float) -> None:
        call = self._call
        if call is None:
            return
        if self._stalled_since:
            self.abort()
            call.interrupt(ClientGone("client_stalled" if now < call.deadline else "deadline"))
        else:
            call.interrupt(Refusal("deadline_exceeded", "The call took too long.", close=True))

    def _hold(self, data: bytes) -> None:
        self._reader.hold(data)
        if self._reader.held_bytes > _PIPELINED_BYTES and self._transport is not None:
            self._reading_paused = True
            self._transport.pause_reading()

    def _read_held(self) -> None:
        transport = self._transport
        ready = self._call is None and not self._lingering and self._reader.held_bytes
        if ready and transport is not None and not transport.is_closing():
            self._read(b"")

    def _read(self, data: bytes) -> None:
        parts = self._parts
        now = parts.clock()
        if not self._began_at:
            self._began_at = now
            self.deadline = now + parts.view.policy.head_s
        try:
            request = self._reader.feed(data)
        except Malformed as error:
            self._reject(error.code, error.message)
            return
        if request is not None:
            self._start(*request, now)
        elif not self._head_seen and self._reader.head is not None:
            self._await_body(self._reader.head, now)

    def _await_body(self, head: RequestHead, now: float) -> None:
        """A bound on the whole body, not on each piece: one byte a second must not last for ever."""
        self._head_seen = True
        length = head.body_bytes if head.body_bytes >= 0 else self._parts.view.policy.body_bytes
        self.deadline = now + self._parts.view.policy.body_s + length / _SLOWEST_BODY_BYTES_S
        if self._reader.wants_continue:
            self.write(respond.CONTINUE)

    def _start(self, head: RequestHead, body: bytes, now: float) -> None:
        parts = self._parts
        ledger = Ledger(self._began_at, now, head.request_id or new_request_id())
        if head.started_at:
            ledger.wait_s = _since(head.started_at)
        call = Call(self, head, body, ledger)
        call.deadline = self.deadline = now + parts.view.policy.call_s
        self._call = call
        self._began_at = 0.0
        self._head_seen = False
        self._reader.limits = parts.view.limits
        parts.meter.call_began()
        call.run(serve(call, parts) if parts.audit is None else serve_recorded(call, parts))

    def _reject(self, code: str, message: str) -> None:
        """Answer a request that never became a call, and close: where the next one begins is unknown."""
        now = self._parts.clock()
        ledger = Ledger(self._began_at or now, now)
        ledger.client_ip = self.peer
        refusal = Refusal(code, message)
        head = self._reader.head or _NO_HEAD
        dialect = dialect_of(head.path)
        ledger.status, ledger.code = refusal.status, code
        if self._parts.audit is not None:
            self._parts.audit.unidentified(ledger)
        self._parts.meter.call_began()
        settle(Call(self, head, b"", ledger), self._parts)
        self.write(respond.refusal(refusal, "", keep_alive=False, dialect=dialect))
        self._linger()

    def _linger(self) -> None:
        """Send our end, and read on for a moment: a reset would take the answer from under the client."""
        self._lingering = True
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        # A client that has not read all of it yet may take as long as any slow reader.
        unread = transport.get_write_buffer_size() > 0
        self.deadline = self._parts.clock() + (self._parts.view.policy.stall_s if unread else _LINGER_S)
        transport.write_eof()
        if self._reading_paused:
            self._reading_paused = False
            transport.resume_reading()


def _since(started_at: bytes) -> float:
    """Seconds since `t=<seconds>.<milliseconds>`, which the edge stamps; 0 where it says nothing sensible."""
    try:
        return max(0.0, time.time() - float(started_at.removeprefix(b"t=")))
    except ValueError:
        return 0.0
