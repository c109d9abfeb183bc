"""Connections to one address: reused when idle, opened when none is, never queued for."""

from __future__ import annotations

import asyncio
import errno
import ssl
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from forebay.tune.load.connection import Connection
from forebay.tune.load.exchange import Exchange
from forebay.tune.load.target import Target

# No descriptor, port or memory left: this is the generator's end, not the service's.
_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM}


class Pool:
    """Sends exchanges at once. `ended` of the owner hears of each exactly once."""

    def __init__(self, target: Target, ended: Callable[[Exchange], None]) -> None:
        address = urlsplit(target.url)
        secure = address.scheme == "https"
        self._host, self._port = address.hostname or "127.0.0.1", address.port or (443 if secure else 80)
        self._trust = ssl.create_default_context(cafile=target.ca_file or None) if secure else None
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._opening: dict[asyncio.Task[None], Exchange] = {}
        self.ended = ended
        self.out_of_sockets = False
        self._closed = False

    def send(self, exchange: Exchange) -> None:
        """Send on an idle connection, or on one that is opened for it."""
        exchange.asked = time.monotonic()
        if self._idle:
            self._idle.pop().send(exchange)
        else:
            self._open_for(exchange)

    def again(self, exchange: Exchange) -> None:
        """Send once more, on a new connection: the one that was idle had been closed."""
        exchange.retried = True
        self._open_for(exchange)

    def give(self, connection: Connection) -> None:
        """Take back a connection whose answer was whole."""
        if connection in self._open:
            self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Close a connection that cannot be used any more."""
        if connection in self._open:
            self._open.discard(connection)
            if connection in self._idle:
                self._idle.remove(connection)
            if connection.transport is not None:
                connection.transport.abort()

    def expire(self, before: float) -> None:
        """End, as timed out, every request that was asked before that moment, whether it found a connection or not."""
        for connection in list(self._open):
            exchange = connection.exchange
            if exchange is not None and exchange.asked < before:
                exchange.ended = time.monotonic()
                connection.abort("timeout")
        for opening, exchange in list(self._opening.items()):
            if exchange.asked < before and opening.cancel():
                self._fail(exchange, "timeout")

    def close(self) -> None:
        """Close everything; what is still in flight is given up, and is not sent again."""
        self._closed = True
        self._idle.clear()
        for connection in list(self._open):
            self.drop(connection)

    def _open_for(self, exchange: Exchange) -> None:
        if self._closed:
            return
        task = self._loop.create_task(self._connect(exchange))
        self._opening[task] = exchange
        task.add_done_callback(self._opened)

    def _opened(self, opening: asyncio.Task[None]) -> None:
        del self._opening[opening]

    async def _connect(self, exchange: Exchange) -> None:
        try:
            _transport, connection = await self._loop.create_connection(
                lambda: Connection(self), self._host, self._port, ssl=self._trust
            )
        except (OSError, ssl.SSLError) as error:
            self.out_of_sockets = self.out_of_sockets or error.errno in _EXHAUSTED
            self._fail(exchange, _why(error))
            return
        if connection.transport is None or connection.transport.is_closing():
            self._fail(exchange, "closed at once")
            return
        self._open.add(connection)
        connection.send(exchange)

    def _fail(self, exchange: Exchange, why: str) -> None:
        exchange.ended = time.monotonic()
        exchange.fail(f"not connected: {why}")
        self.ended(exchange)


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    return type(error).__name__ if error.errno is None else (error.strerror or str(error.errno))
