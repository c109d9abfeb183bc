"""Engines hold no more calls than they have places; the rest waits in the gateway, bounded in number and time."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import orjson
import pytest
from tests.integration.gateway.meeting import see_each_other
from tests.integration.gateway.raw import BODY, FIELDS, STREAM, Raw
from tests.integration.gateway.scripts import Gate, holds_streams

from forebay.testing.fake_engine import Exchange, FakeEngine, completion
from forebay.testing.worker import GatewayWorker, wait_for


def code_of(body: bytes) -> str:
    found: str = orjson.loads(body)["error"]["code"]
    return found


class Busy:
    """Works for a moment on each call, `most` at once; a call counts until its answer begins."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def __call__(self, exchange: Exchange) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01)
        self.now -= 1
        await exchange.answer(completion("done"))


def test_no_more_calls_than_places_and_every_call_in_its_turn(tmp_path: Path) -> None:
    busy = Busy()
    with FakeEngine(busy) as engine, GatewayWorker(tmp_path, [engine.port], places=3) as worker:
        with ThreadPoolExecutor(24) as pool:
            statuses = list(pool.map(lambda _: worker.post(FIELDS)[0], range(120)))
        assert statuses == [200] * 120
        assert busy.most == 3
        wait_for("every wait is counted", lambda: worker.counted("forebay_queue_wait_seconds") == 120)


def test_engines_share_calls_by_their_places(tmp_path: Path) -> None:
    gate = Gate()
    with FakeEngine(gate) as small, FakeEngine(gate) as large:
        worker = GatewayWorker(tmp_path, [small.port, large.port], places=2)
        first, second = worker.snapshot.engines
        second = msgspec.structs.replace(second, max_outstanding=6)
        worker.snapshot = msgspec.structs.replace(worker.snapshot, engines=(first, second))
        with worker:
            streams = [Raw(worker).call(STREAM) for _ in range(4)]
            for each in streams:
                each.until(b"begun")
            assert (small.running, large.running) == (1, 3)
            gate.is_open = True
            for each in streams:
                each.until(b"[DONE]")
                each.socket.close()


def test_calls_wait_in_order_of_arrival(tmp_path: Path) -> None:
    gate = Gate()
    with FakeEngine(gate) as engine, GatewayWorker(tmp_path, [engine.port], places=1) as worker:
        running = Raw(worker).call(STREAM)
        running.until(b"begun")
        waiting = []
        for number in range(5):
            waiting.append(Raw(worker).call(BODY, f"X-Request-Id: in-turn-{number}"))
            wait_for("it waits", lambda number=number: worker.counted("forebay_queue_calls") == number + 1)
        gate.is_open = True
        for each in waiting:
            assert each.answer().status == 200
            each.socket.close()
        running.socket.close()
        seen = [
            line for e in engine.seen for line in e.head.decode().splitlines() if line.startswith("x-request-id: in")
        ]
        assert seen == [f"x-request-id: in-turn-{number}" for number in range(5)]


@pytest.fixture
def gate() -> Gate:
    return Gate()


def test_a_queue_that_is_full_says_so_at_once(tmp_path: Path, gate: Gate) -> None:
    with FakeEngine(gate) as engine:
        worker = GatewayWorker(tmp_path, [engine.port], places=1).policy(queue_calls=1)
        with worker, Raw(worker) as running, Raw(worker) as waiting, Raw(worker) as refused:
            running.call(STREAM).until(b"begun")
            waiting.call()
            wait_for("one waits", lambda: worker.counted("forebay_queue_calls") == 1)
            answer = refused.call().answer()
            assert (answer.status, answer.code) == (429, "queue_full")
            assert int(answer.headers["retry-after"]) >= 1
            gate.is_open = True
            assert waiting.answer().status == 200
            assert refused.call().answer().status == 200


def test_a_queue_of_no_length_refuses_what_finds_no_place(tmp_path: Path, gate: Gate) -> None:
    with FakeEngine(gate) as engine:
        worker = GatewayWorker(tmp_path, [engine.port], places=1).policy(queue_calls=0)
        with worker, Raw(worker) as running:
            running.call(STREAM).until(b"begun")
            assert code_of(worker.post(FIELDS)[1]) == "queue_full"
            gate.is_open = True


def test_a_wait_that_is_over_says_so(tmp_path: Path, gate: Gate) -> None:
    with FakeEngine(gate) as engine:
        worker = GatewayWorker(tmp_path, [engine.port], places=1).policy(queue_wait_s=0.2)
        with worker, Raw(worker) as running, Raw(worker) as waiting:
            running.call(STREAM).until(b"begun")
            answer = waiting.call().answer()
            assert (answer.status, answer.code) == (503, "queue_timeout")
            assert int(answer.headers["retry-after"]) >= 1
            gate.is_open = True
            running.until(b"[DONE]")
            assert waiting.call().answer().status == 200  # its place was not lost
        assert engine.requests == 2


def test_a_call_without_any_engine_waits_and_is_then_refused(tmp_path: Path) -> None:
    with GatewayWorker(tmp_path, []).policy(queue_wait_s=0.1) as worker:
        status, body = worker.post(FIELDS)
        assert (status, code_of(body)) == (503, "queue_timeout")


def test_two_workers_share_the_places_of_an_engine(tmp_path: Path) -> None:
    places = 4
    with FakeEngine(holds_streams) as engine:
        first = GatewayWorker(tmp_path, [engine.port], places=places).policy(queue_wait_s=0.05)
        second = GatewayWorker(tmp_path, [engine.port], name="worker-2", places=places)
        second.snapshot, second.key = first.snapshot, first.key
        with first, second:
            see_each_other(first, second, places)
            busy = engine.script = Busy()
            first.policy(queue_wait_s=30.0).reload()
            second.snapshot = first.snapshot
            second.reload()
            wait_for("the engine is idle", lambda: engine.running == 0)
            with ThreadPoolExecutor(24) as pool:
                statuses = list(pool.map(lambda n: (first if n % 2 else second).post(FIELDS)[0], range(160)))
            assert set(statuses) == {200}
            assert busy.most <= places + 1
