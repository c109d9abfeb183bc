"""The connections of a worker to one engine: kept while they are warm, opened when a call finds none."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

from forebay.core.tls import EngineTls, engine_context
from forebay.gateway.upstream import EngineConnection

# Below the 5 s after which vLLM's server closes an idle connection: a connection is given up before it is lost.
_IDLE_S = 4.0
# With less than this left, idle connections are used first: what a burst opened stays while there is traffic for it,
# but for a part that is let go each time.
_LAST_S = 1.0
_LET_GO = 8
# So many are opened at the same time: one, and one more for each eight that are open. Who has waited for longer than
# this gets one of its own: the engine's calls are long then, or the way to it.
_OPENED_OF_OPEN = 8
_PATIENCE_S = 0.2
_NEVER = float("inf")
Told = Callable[[str], None]


class EnginePool:
    """The connections of one worker to one engine.

    A call that finds none idle waits for the first that comes: one that another call gives back, or a new one. To open
    one costs several times what a call does. If every call of a burst opened its own, calls would take longer, more
    would be under way at once, and these would open still more.
    """

    def __init__(self, host: str, port: int, clock: Callable[[], float], tls: EngineTls | None = None) -> None:
        self.host = host
        self.port = port
        self._tls = tls
        self._clock = clock
        self._idle: list[EngineConnection] = []
        self._aged: list[EngineConnection] = []
        self._waiting: dict[object, tuple[float, Told]] = {}
        self._opening: set[asyncio.Task[None]] = set()
        self._timeout_s = 0.0
        self.open_connections: set[EngineConnection] = set()
        self._closed = False

    def take(self) -> EngineConnection | None:
        """An idle connection: one whose time is nearly over, or else the one used last; None where there is none."""
        while idle := self._aged or self._idle:
            connection = idle.pop()
            transport = connection.transport
            if transport is not None and not transport.is_closing():
                return connection
        return None

    def wait(self, ticket: object, timeout_s: float, told: Told) -> None:
        """Call `told` once: with "" when there is a connection to take, or with why none can be opened."""
        self._waiting[ticket] = self._clock(), told
        self._timeout_s = timeout_s
        self._open_more()

    def leave(self, ticket: object) -> None:
        """Wait no longer; what is being opened becomes idle."""
        self._waiting.pop(ticket, None)

    def keep(self, connection: EngineConnection) -> None:
        """Take back a connection that may be used again; who has waited longest goes on with it at once."""
        transport = connection.transport
        if transport is None or transport.is_closing():
            return
        waiting = self._waiting
        if self._closed and not waiting:
            transport.close()
            return
        connection.deadline = self._clock() + _IDLE_S
        self._idle.append(connection)
        if waiting:
            waiting.pop(next(iter(waiting)))[1]("")

    def forget(self, connection: EngineConnection) -> None:
        self.open_connections.discard(connection)
        for idle in (self._idle, self._aged):
            if connection in idle:
                idle.remove(connection)

    def sweep(self, now: float) -> None:
        """End what passed its deadline, and have what soon will used first, but for a part."""
        for connection in [each for each in self.open_connections if each.deadline < now]:
            connection.expire()
        idle, aged = self._idle, 0
        while aged < len(idle) and idle[aged].deadline < now + _LAST_S:
            aged += 1
        going = aged // _LET_GO
        for connection in idle[:going]:
            connection.expire()
        self._aged += idle[going:aged]
        del idle[:aged]
        self._open_more(sum([since < now - _PATIENCE_S for since, _told in self._waiting.values()]))

    def close(self) -> None:
        """The engine left the configuration: idle connections go now, busy ones when their answer is whole."""
        self._closed = True
        while (connection := self.take()) is not None:
            if connection.transport is not None:
                connection.transport.close()

    # -- opening: the rare path, it may cost a task

    def _open_more(self, patient: int = 0) -> None:
        """Open as many as are waited for, within the bound, and one for each that was `patient` long enough."""
        most = 1 + len(self.open_connections) // _OPENED_OF_OPEN
        while len(self._opening) < len(self._waiting) and len(self._opening) < max(most, patient):
            task = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        if self._waiting:
            self._open_more()

    async def _open(self) -> None:
        loop, began_at = asyncio.get_running_loop(), self._clock()
        try:
            async with asyncio.timeout(self._timeout_s):
                context = engine_context(self._tls) if self._tls is not None else None
                name = self.host if context is not None else None
                _, connection = await loop.create_connection(
                    lambda: EngineConnection(self), self.host, self.port, ssl=context, server_hostname=name
                )
        except TimeoutError:
            self._fail("connect_timeout", began_at)
        except ssl.SSLError:
            self._fail("untrusted")
        except (OSError, ValueError):  # also where a file of its `tls` is gone, never without it; or a name is none
            self._fail("refused")
        else:
            if connection.transport is None or connection.transport.is_closing():
                self._fail("reset", began_at)  # taken and let go at once: who waits would wait for ever
                return
            self.keep(connection)
            connection.reused = connection.reader is None  # nobody waits for it any more: it is idle like any other

    def _fail(self, reason: str, until: float = _NEVER) -> None:
        """None can be opened: who has waited since `until` learns it now, and need not find out by trying."""
        waiting = [(ticket, told) for ticket, (since, told) in self._waiting.items() if since <= until]
        for ticket, _told in waiting:
            del self._waiting[ticket]
        for _ticket, told in waiting:
            told(reason)
