"""A connection to an engine: one request at a time, kept only when the last answer's framing was complete."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from forebay.gateway.pool import EnginePool

_NEVER = float("inf")


class Reader(Protocol):
    """What takes an engine's bytes: the answer's head, its whole body, or its stream."""

    def received(self, data: bytes) -> None: ...
    def lost(self, reason: str) -> None: ...


class EngineConnection(asyncio.Protocol):
    """One connection. `reader` is who it works for; None while it is idle. `reused`: it has been idle before."""

    __slots__ = ("_pool", "deadline", "paused", "reader", "reused", "transport")

    def __init__(self, pool: EnginePool) -> None:
        self._pool = pool
        self.transport: asyncio.Transport | None = None
        self.reader: Reader | None = None
        self.deadline = _NEVER
        self.reused = False
        self.paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a TCP transport both reads and writes
        self._pool.open_connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self.reader is None:
            self.abort()  # bytes nobody asked for: whose answer the next ones would be is unknown
        else:
            self.reader.received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._pool.forget(self)
        reader, self.reader = self.reader, None
        if reader is not None:
            reader.lost("reset" if error else "closed")

    def send(self, request: bytes, reader: Reader, deadline: float) -> None:
        """Send one whole request; `reader` takes everything that comes back."""
        self.reader = reader
        self.deadline = deadline
        if self.transport is not None:
            self.transport.write(request)

    def expire(self) -> None:
        """The engine kept silent past the deadline, or the connection idled too long."""
        reader, self.reader = self.reader, None
        self.abort()
        if reader is not None:
            reader.lost("timeout")

    def release(self) -> None:
        """The answer's framing is complete: the next call may use the connection."""
        self.reader = None
        self.reused = True
        if self.paused:
            self.resume(_NEVER)
        self._pool.keep(self)

    def abort(self) -> None:
        """Close at once; an engine takes this as the word to stop working."""
        self.reader = None
        if self.transport is not None:
            self.transport.abort()

    def pause(self) -> None:
        """Read no more until `resume`: the client is slower than the engine."""
        if self.transport is not None and not self.paused:
            self.paused = True
            self.deadline = _NEVER  # the engine is not to blame for this silence
            self.transport.pause_reading()

    def resume(self, deadline: float) -> None:
        """Read on; the engine has until `deadline` to send more."""
        if self.transport is not None and self.paused:
            self.paused = False
            self.deadline = deadline
            self.transport.resume_reading()
