"""Connections to an engine: handed on from call to call, opened a few at a time, kept warm while there is traffic."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress

import uvloop
from tests.in_memory import Clock, MemoryTransport

from forebay.gateway.pool import EnginePool
from forebay.gateway.upstream import EngineConnection

IDLE_S = 4.0


def with_engine(test: Callable[[EnginePool], Awaitable[None]]) -> None:
    """Run `test` with the pool of an engine that takes every connection and says nothing."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        pool = EnginePool("127.0.0.1", server.sockets[0].getsockname()[1], time.monotonic)
        try:
            async with asyncio.timeout(60):
                await test(pool)
        finally:
            pool.close()
            for each in list(pool.open_connections):
                each.abort()
            await until(lambda: not pool.open_connections)
            server.close()

    asyncio.run(run())


async def until(true: Callable[[], object]) -> None:
    while not true():  # noqa: ASYNC110  no event to wait for: what is looked at is the pool's own
        await asyncio.sleep(0.001)


class Callers:
    """Calls that wait for a connection; `said` is what they were told, in order."""

    def __init__(self, pool: EnginePool, within_s: float = 30.0) -> None:
        self.pool = pool
        self.within_s = within_s
        self.said: list[tuple[int, str]] = []
        self.came = asyncio.Event()

    def wait(self, number: int) -> int:
        def told(reason: str) -> None:
            self.said.append((number, reason))
            self.came.set()

        self.pool.wait(number, self.within_s, told)
        return number

    async def until(self, count: int) -> None:
        while len(self.said) < count:
            self.came.clear()
            await self.came.wait()


def idle(pool: EnginePool) -> MemoryTransport:
    connection = EngineConnection(pool)
    transport = MemoryTransport(connection)
    pool.keep(connection)
    return transport


def test_a_burst_goes_on_with_what_others_give_back_instead_of_opening_one_each() -> None:
    async def run(pool: EnginePool) -> None:
        callers = Callers(pool)
        for number in range(100):
            callers.wait(number)
        for number in range(100):
            await callers.until(number + 1)
            connection = pool.take()
            assert connection is not None
            connection.release()  # its call is over at once
        assert callers.said == [(number, "") for number in range(100)]
        assert len(pool.open_connections) < 20

    with_engine(run)


def test_calls_that_all_stay_get_a_connection_each() -> None:
    async def run(pool: EnginePool) -> None:
        callers, taken = Callers(pool), set()
        for number in range(100):
            callers.wait(number)
        for number in range(100):
            await callers.until(number + 1)
            taken.add(pool.take())
        assert len(taken - {None}) == 100

    with_engine(run)


def test_who_has_waited_for_long_gets_one_of_its_own() -> None:
    async def run(pool: EnginePool) -> None:
        callers = Callers(pool)
        for number in range(20):
            callers.wait(number)
        assert len(pool._opening) == 1
        pool.sweep(time.monotonic())
        assert len(pool._opening) == 1
        pool.sweep(time.monotonic() + 1)
        assert len(pool._opening) == 20
        await callers.until(20)

    with_engine(run)


def test_where_none_can_be_opened_everybody_who_waits_learns_it() -> None:
    async def run(pool: EnginePool) -> None:
        pool.port = 1
        callers = Callers(pool)
        for number in range(30):
            callers.wait(number)
        await callers.until(30)
        assert callers.said == [(number, "refused") for number in range(30)]
        assert pool.take() is None

    with_engine(run)


def test_an_engine_that_takes_connections_and_lets_them_go_is_no_endless_loop() -> None:
    """Each that is opened tells somebody, if only that it was lost."""
    taken: list[float] = []

    def let_go(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                accepted, _ = listening.accept()
                taken.append(time.monotonic())
                accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                accepted.close()  # at once, by a reset

    async def run(port: int) -> None:
        pool, callers, loop = EnginePool("127.0.0.1", port, time.monotonic), 20, asyncio.get_running_loop()
        said: list[str] = []

        def told(reason: str) -> None:
            said.append(reason)
            pool.take()

        def busy() -> None:
            if len(said) < callers and len(taken) <= callers:
                time.sleep(0.002)  # the loop looks at a connection when it is lost already
                loop.call_soon(busy)

        busy()
        for number in range(callers):
            pool.wait(number, 60.0, told)
        async with asyncio.timeout(60):
            await until(lambda: len(said) == callers or len(taken) > callers)
            pool.close()
            for number in range(callers):
                pool.leave(number)
            await until(lambda: not pool._opening)
            for each in list(pool.open_connections):
                each.abort()
            await until(lambda: not pool.open_connections)
        assert len(said) == callers
        assert set(said) <= {"", "refused", "reset"}
        assert len(taken) <= callers

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        letting_go = threading.Thread(target=let_go, args=(listening,))
        letting_go.start()
        try:
            uvloop.run(run(listening.getsockname()[1]))
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            letting_go.join()


def test_a_name_that_is_none_is_told_like_an_engine_that_refuses() -> None:
    async def run(pool: EnginePool) -> None:
        pool.host = "a" * 64 + ".example"
        callers = Callers(pool)
        callers.wait(1)
        await callers.until(1)
        assert callers.said == [(1, "refused")]

    with_engine(run)


def test_a_way_that_is_silent_is_told_to_those_who_waited_as_long_as_they_may() -> None:
    async def run(pool: EnginePool) -> None:
        with socket.socket() as listening, ExitStack() as fillers:
            listening.bind(("127.0.0.1", 0))
            listening.listen(0)  # its backlog is full: connections neither open nor fail
            for _ in range(4):
                filler = fillers.enter_context(socket.socket())
                filler.setblocking(False)
                filler.connect_ex(listening.getsockname())
            pool.port = listening.getsockname()[1]
            callers = Callers(pool, within_s=0.3)
            callers.wait(1)
            await asyncio.sleep(0.1)
            callers.wait(2)
            await callers.until(1)
            assert callers.said == [(1, "connect_timeout")]
            await callers.until(2)
            assert callers.said == [(1, "connect_timeout"), (2, "connect_timeout")]

    with_engine(run)


def test_what_was_opened_for_a_call_that_left_is_idle_like_any_other() -> None:
    async def run(pool: EnginePool) -> None:
        callers = Callers(pool)
        pool.leave(callers.wait(1))
        found: list[EngineConnection] = []
        await until(lambda: (connection := pool.take()) and found.append(connection) is None)
        assert found[0].reused
        assert callers.said == []

    with_engine(run)


def test_a_new_connection_that_is_lost_is_not_taken_for_a_stale_one() -> None:
    async def run(pool: EnginePool) -> None:
        fresh: list[bool] = []

        def told(_reason: str) -> None:
            connection = pool.take()
            assert connection is not None
            fresh.append(not connection.reused)
            connection.reader = Silent()

        pool.wait(1, 30.0, told)
        await until(lambda: fresh)
        (connection,) = pool.open_connections
        assert fresh == [True]
        assert not connection.reused
        connection.release()
        assert connection.reused

    with_engine(run)


class Silent:
    """A call that has just sent its request."""

    def received(self, data: bytes) -> None:
        raise AssertionError(data)

    def lost(self, reason: str) -> None: ...


def test_what_has_idled_for_long_is_used_first() -> None:
    clock = Clock()
    pool = EnginePool("h", 1, clock)
    old = [idle(pool) for _ in range(4)]
    clock.now += IDLE_S - 0.5
    fresh = idle(pool)
    pool.sweep(clock.now)
    used = {connection.transport for _ in old if (connection := pool.take()) is not None}
    assert used == set(old)
    last = pool.take()
    assert last is not None
    assert last.transport is fresh
    assert pool.take() is None


def test_what_nobody_comes_for_is_closed() -> None:
    clock = Clock()
    pool = EnginePool("h", 1, clock)
    transports = [idle(pool) for _ in range(16)]
    for _ in range(20):
        clock.now += 0.25
        pool.sweep(clock.now)
    assert all(each.aborted for each in transports)
    for each in transports:
        each.settle()
    assert pool.take() is None


def test_a_pool_with_traffic_keeps_most_of_what_a_burst_opened_for_a_while() -> None:
    clock = Clock()
    pool = EnginePool("h", 1, clock)
    transports = [idle(pool) for _ in range(64)]
    alive = []
    for _ in range(64):
        clock.now += 0.25
        pool.sweep(clock.now)
        for _ in range(100):  # one call after another: two at once are more than it ever needs
            connection = pool.take()
            assert connection is not None
            connection.release()
        alive.append(sum(not each.aborted for each in transports))
    assert alive[20] > 48, "five seconds later"
    assert alive[-1] < 48, "sixteen seconds later"
