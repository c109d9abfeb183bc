"""Two real workers and one real Valkey: exact together, by the stated policy without it, and together again after."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import orjson
import pytest

from forebay.gateway.limits.policy import Bounds, LimitsPolicy, Price, ValkeyRef
from forebay.testing.fake_engine import Exchange, FakeEngine, say_hello
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import GatewayWorker, wait_for

CHAT = orjson.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 4})
LEASE_S = 3.0
"""Longer than a busy machine may keep a worker from running."""
REPLY_S = 10.0
"""A Valkey that is killed is noticed at once; one that is late on a busy machine is not lost."""


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@contextmanager
def two_workers(
    folder: Path, engine: FakeEngine, bounds: Bounds, valkey: ValkeyRef
) -> Iterator[tuple[GatewayWorker, GatewayWorker]]:
    policy = LimitsPolicy(tenant_default=bounds, prices={"m": Price(1000, 2000)}, shares=2, valkey=valkey)
    made = [GatewayWorker(folder / f"w{number}", [engine.port], places=64) for number in (1, 2)]
    for worker in made:
        worker.snapshot = msgspec.structs.replace(worker.snapshot, limits=policy)
    with made[0] as first, made[1] as second:
        # A worker waits a second for Valkey as it starts, and begins alone where a busy machine takes longer.
        wait_for("both share", lambda: shared(first) and shared(second))
        yield first, second


def reference(valkey: ValkeyServer, **changes: object) -> ValkeyRef:
    ref = ValkeyRef(host="127.0.0.1", port=valkey.port, password=valkey.password, lease_s=LEASE_S, reply_s=REPLY_S)
    return msgspec.structs.replace(ref, **changes)


def begun(valkey: ValkeyServer) -> None:
    """Valkey has existed for a lease: it gives things away."""
    valkey.ask("SET", "{forebay}:since", "1")


def shared(worker: GatewayWorker) -> bool:
    return worker.counted("forebay_limits_shared") == 1


def statuses(worker: GatewayWorker, count: int, found: list[int]) -> None:
    """Calls one after another on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
    headers = {"authorization": f"Bearer {worker.key}", "content-type": "application/json"}
    for _ in range(count):
        connection.request("POST", "/v1/chat/completions", CHAT, headers)
        answer = connection.getresponse()
        answer.read()
        found.append(answer.status)
    connection.close()


def together(workers: tuple[GatewayWorker, GatewayWorker], each: int, threads: int = 3) -> list[int]:
    found: list[int] = []
    running = [threading.Thread(target=statuses, args=(worker, each, found)) for worker in workers * threads]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return found


def test_two_workers_let_exactly_the_limit_through(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey:
        begun(valkey)
        bounds = Bounds(requests_per_minute=500)
        with two_workers(tmp_path, engine, bounds, reference(valkey)) as workers:
            found = together(workers, 150)
            # What one of them held and did not use comes back with its next renewal; then it is used as well.
            wait_for("the whole limit is used", lambda: _tops_up(workers, found, 500), 30)
            assert found.count(200) == engine.requests == 500
            assert set(found) == {200, 429}
            asked = sum(worker.counted("forebay_limit_questions_total") for worker in workers)
            assert asked < 250, "most calls need no round trip"


def _tops_up(workers: tuple[GatewayWorker, GatewayWorker], found: list[int], whole: int) -> bool:
    for worker in workers:
        statuses(worker, 3, found)
    return found.count(200) >= whole


def test_a_killed_valkey_leaves_what_was_held_and_loses_nothing(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey:
        begun(valkey)
        with two_workers(tmp_path, engine, Bounds(nano_usd_per_day=13_000 * 400), reference(valkey)) as workers:
            found: list[int] = []
            stop = threading.Event()

            def calls(worker: GatewayWorker) -> None:
                while not stop.is_set():
                    statuses(worker, 1, found)

            running = [threading.Thread(target=calls, args=(worker,)) for worker in workers]
            for thread in running:
                thread.start()
            try:
                wait_for("calls go through", lambda: found.count(200) > 60)
                valkey.kill()
                wait_for("it is noticed", lambda: not shared(workers[0]) and not shared(workers[1]))
                wait_for("what was held is spent", lambda: found[-20:].count(503) >= 18)
                valkey.start()
                wait_for("they share again", lambda: shared(workers[0]) and shared(workers[1]))
                wait_for("the budget is used up", lambda: found[-20:].count(429) >= 18)
            finally:
                stop.set()
                for thread in running:
                    thread.join()
            assert set(found) == {200, 429, 503}
            # Every call costs 13,000: the limit holds over both, through the loss, to the last one.
            assert 380 <= found.count(200) <= 400
            lines = [line["message"] for worker in workers for line in worker.log_lines()]
            assert any("the shared limits are lost" in str(line) for line in lines)
            assert all(worker.counted("forebay_limits_lost_total", reason="closed") >= 1 for worker in workers)


def test_closed_refuses_what_cannot_be_counted(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey:
        begun(valkey)
        ref = reference(valkey, on_loss="closed")
        with two_workers(tmp_path, engine, Bounds(concurrency=10), ref) as workers:
            assert set(together(workers, 5)) == {200}
            valkey.kill()
            wait_for("it is noticed", lambda: not shared(workers[0]) and not shared(workers[1]))
            status, body = workers[0].post(CHAT)
            assert (status, orjson.loads(body)["error"]["code"]) == (503, "limits_unavailable")
            valkey.start()
            wait_for("they share again", lambda: shared(workers[0]) and shared(workers[1]))
            assert set(together(workers, 5)) == {200}


def test_a_killed_workers_places_are_free_after_its_lease(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey:
        begun(valkey)
        with two_workers(tmp_path, engine, Bounds(concurrency=3), reference(valkey)) as workers:

            async def waits(exchange: Exchange) -> None:
                await exchange.until_client_leaves()

            engine.script = waits
            for _ in range(3):
                threading.Thread(target=_ends_anyhow, args=(workers[0],), daemon=True).start()
            wait_for("three run", lambda: engine.running == 3)
            engine.script = say_hello
            assert workers[1].post(CHAT)[0] == 429
            assert workers[0].process is not None
            os.kill(workers[0].process.pid, signal.SIGKILL)
            wait_for("the places are free", lambda: workers[1].post(CHAT)[0] == 200)


def _ends_anyhow(worker: GatewayWorker) -> None:
    try:
        worker.post(CHAT)
    except (OSError, http.client.HTTPException):
        return


class Liar:
    """Listens like a Valkey and says what `says` tells it to."""

    def __init__(self, says: Callable[[bytes], bytes]) -> None:
        self._says = says
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _peer = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection:
            try:
                while received := connection.recv(65536):
                    connection.sendall(self._answer(received))
            except OSError:
                return

    def _answer(self, received: bytes) -> bytes:
        if b"AUTH" in received or b"PING" in received:
            return b"+OK\r\n" * received.count(b"AUTH") + b"+PONG\r\n" * received.count(b"PING")
        if b"SCRIPT" in received:
            return b"$40\r\n" + b"0" * 40 + b"\r\n"
        return self._says(received)

    def close(self) -> None:
        self._listening.close()


def _numbers(*numbers: int) -> bytes:
    return b"*%d\r\n" % len(numbers) + b"".join(b":%d\r\n" % number for number in numbers)


def _now_ms() -> int:
    return int(time.time() * 1000)


LIES: dict[str, Callable[[bytes], bytes]] = {
    "says nothing": lambda _received: b"",
    "gives more than was asked": lambda _received: _numbers(_now_ms(), 0, 10**9, 0),
    "gives less than nothing": lambda _received: _numbers(_now_ms(), 0, -5, 0),
    "counts others below nothing": lambda _received: _numbers(_now_ms(), 0, 0, -(10**12)),
    "answers in words": lambda _received: b"*4\r\n$3\r\nyes\r\n+a\r\n+b\r\n+c\r\n",
    "answers an error": lambda _received: b"-NOSCRIPT no such script\r\n",
    "lives in another year": lambda _received: _numbers(1, 0, 0, 0),
    "writes a number of 30 digits": lambda _received: b":" + b"9" * 30 + b"\r\n",
    "writes a text without end": lambda _received: b"+" + b"x" * 200_000,
    "announces an endless list": lambda _received: b"*999999999\r\n",
    "speaks another protocol": lambda _received: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "says it twice": lambda _received: _numbers(_now_ms(), 0) * 2,
}


def test_a_valkey_that_was_just_started_is_no_loss(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey:
        bounds = Bounds(requests_per_minute=10)
        with two_workers(tmp_path, engine, bounds, reference(valkey)) as workers:
            assert not any(worker.counted("forebay_limits_lost_total") for worker in workers)
            assert not [line for worker in workers for line in worker.log_lines() if line["level"] == "error"]


@pytest.mark.parametrize("lie", LIES)
def test_a_valkey_that_lies_or_is_slow_counts_as_lost(lie: str, engine: FakeEngine, tmp_path: Path) -> None:
    liar = Liar(LIES[lie])
    policy = LimitsPolicy(
        tenant_default=Bounds(requests_per_minute=10),
        shares=2,
        valkey=ValkeyRef(host="127.0.0.1", port=liar.port, password="x", reply_s=0.1, lease_s=0.5),
    )
    worker = GatewayWorker(tmp_path, [engine.port])
    worker.snapshot = msgspec.structs.replace(worker.snapshot, limits=policy)
    try:
        with worker:
            found: list[int] = []
            statuses(worker, 12, found)
            # Its share of ten is five, however often the liar is believed to be back.
            assert found.count(200) == engine.requests == 5
            assert set(found) == {200, 429}
            assert worker.counted("forebay_limits_lost_total") >= 1
    finally:
        liar.close()


def test_a_reload_brings_a_valkey_to_running_workers_and_takes_it_away(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey, GatewayWorker(tmp_path / "w", [engine.port]) as worker:
        begun(valkey)
        bounds = Bounds(requests_per_minute=20)
        found: list[int] = []
        for ref in (reference(valkey), None, reference(valkey)):
            policy = LimitsPolicy(tenant_default=bounds, shares=1, valkey=ref)
            worker.snapshot = msgspec.structs.replace(worker.snapshot, limits=policy)
            worker.reload()
            if ref is not None:
                wait_for("it shares", lambda: shared(worker))
            statuses(worker, 5, found)
        assert set(found) == {200}
        statuses(worker, 10, found)
        assert found.count(200) == 20, "what was used before a reload stays counted after it"
