"""Connections to one engine: opened when none is idle, reused only when the last answer's framing was complete."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol

from forebay.core.tls import EngineTls, engine_context
from forebay.gateway.refusal import EngineFailed

# Below the 5 s after which vLLM's server closes an idle connection: a connection is given up before it is lost.
_IDLE_S = 4.0
_NEVER = float("inf")


class Reader(Protocol):
    """What takes an engine's bytes: the answer's head, its whole body, or its stream."""

    def received(self, data: bytes) -> None: ...
    def lost(self, reason: str) -> None: ...


class EngineConnection(asyncio.Protocol):
    """One connection. `reader` is who it works for; None while it is idle."""

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


class EnginePool:
    """The connections of one worker to one engine."""

    def __init__(self, host: str, port: int, clock: Callable[[], float], tls: EngineTls | None = None) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._clock = clock
        self._idle: list[EngineConnection] = []
        self._opening: set[asyncio.Task[None]] = set()
        self.open_connections: set[EngineConnection] = set()
        self._closed = False

    def take(self) -> EngineConnection | None:
        """An idle connection, the most recently used first; None when one must be opened."""
        while self._idle:
            connection = self._idle.pop()
            transport = connection.transport
            if transport is not None and not transport.is_closing():
                connection.reused = True
                return connection
        return None

    def open(self, timeout_s: float, opened: Callable[[EngineConnection | EngineFailed], None]) -> None:
        """Open a connection and hand it, or why there is none, to `opened`. The rare path: it may cost a task."""
        task = asyncio.get_running_loop().create_task(self._open(timeout_s, opened))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, timeout_s: float, opened: Callable[[EngineConnection | EngineFailed], None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                context = engine_context(self._tls) if self._tls is not None else None
                name = self.host if context is not None else None
                _, connection = await loop.create_connection(
                    lambda: EngineConnection(self), self.host, self.port, ssl=context, server_hostname=name
                )
        except TimeoutError:
            opened(EngineFailed("connect_timeout", sent=False))
        except ssl.SSLError:
            opened(EngineFailed("untrusted", sent=False))
        except OSError:  # also where a file of its `tls` is gone: never without it
            opened(EngineFailed("refused", sent=False))
        else:
            opened(connection)

    def keep(self, connection: EngineConnection) -> None:
        """Take back a connection that may be used again."""
        transport = connection.transport
        if transport is None or transport.is_closing():
            return
        if self._closed:
            transport.close()
            return
        connection.deadline = self._clock() + _IDLE_S
        self._idle.append(connection)

    def forget(self, connection: EngineConnection) -> None:
        self.open_connections.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def sweep(self, now: float) -> None:
        """End what passed its deadline."""
        for connection in [each for each in self.open_connections if each.deadline < now]:
            connection.expire()

    def close(self) -> None:
        """The engine left the configuration: idle connections go now, busy ones when their answer is whole."""
        self._closed = True
        for connection in self._idle:
            if connection.transport is not None:
                connection.transport.close()
        self._idle.clear()
