"""Equal calls cost an engine once, through a real worker: fan-out, leavers, failover, tenants, reloads."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from tests.integration.gateway.scripts import Gate, never_ends

from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.snapshot import KeyRecord
from forebay.security.keys import digest, new_key
from forebay.testing.fake_engine import Exchange, FakeEngine, completion
from forebay.testing.worker import GatewayWorker, wait_for

ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}
STREAM = ASKED | {"stream": True}
POLICY = CachePolicy(
    version="v1", exact=True, single_flight=True, ttl_s=600.0, memory_bytes=10_000_000, answer_bytes=1_000_000
)


def reusing(worker: GatewayWorker, **changes: Any) -> GatewayWorker:
    policy = msgspec.structs.replace(POLICY, **changes)
    models = tuple(msgspec.structs.replace(model, cache=policy) for model in worker.snapshot.models)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, models=models)
    return worker


def another_key(worker: GatewayWorker, tenant: str) -> str:
    key, key_id, secret = new_key()
    record = KeyRecord(id=key_id, digest=digest("pepper", secret), tenant=tenant, scopes=("inference",))
    worker.snapshot = msgspec.structs.replace(worker.snapshot, keys=(*worker.snapshot.keys, record))
    return key


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def worker(engine: FakeEngine, tmp_path: Path) -> Iterator[GatewayWorker]:
    with reusing(GatewayWorker(tmp_path, [engine.port])) as running:
        yield running


def answered(worker: GatewayWorker, fields: Any = ASKED, **headers: str) -> tuple[str, bytes]:
    """What the answer says of its origin, and its body."""
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
    wanted = {"authorization": f"Bearer {worker.key}", "content-type": "application/json", **headers}
    connection.request("POST", "/v1/chat/completions", orjson.dumps(fields), wanted)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, body
    return answer.headers.get("x-forebay-cache", ""), body


def test_twenty_equal_streams_are_one_generation(engine: FakeEngine, worker: GatewayWorker) -> None:
    gate = engine.script = Gate()
    with ThreadPoolExecutor(20) as pool:
        calls = [pool.submit(answered, worker, STREAM) for _ in range(20)]
        wait_for("all have asked", lambda: worker.counted("forebay_cache_total") == 20)
        gate.is_open = True
        answers = [call.result(60) for call in calls]
    assert engine.requests == 1
    assert len({body for _origin, body in answers}) == 1
    assert sorted(origin for origin, _body in answers) == ["hit"] * 19 + ["miss"]


def test_half_of_them_leave_and_the_rest_hear_it_out(engine: FakeEngine, worker: GatewayWorker) -> None:
    gate = engine.script = Gate()
    leavers = [begun(worker) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        calls = [pool.submit(answered, worker, STREAM) for _ in range(4)]
        wait_for("all have asked", lambda: worker.counted("forebay_cache_total") == 8)
        for leaver in leavers:
            leaver.close()
        wait_for("they are gone", lambda: worker.counted("forebay_cancelled_total", reason="client_left") == 4)
        gate.is_open = True
        assert all(b"ended" in call.result(60)[1] for call in calls)
    assert (engine.requests, engine.aborted) == (1, 0)


def test_the_last_to_leave_stops_the_engine(engine: FakeEngine, worker: GatewayWorker) -> None:
    engine.script = never_ends
    clients = [begun(worker) for _ in range(3)]
    for client in clients:
        assert engine.aborted == 0
        client.close()
    wait_for("the engine is told", lambda: engine.aborted == 1)


def test_a_death_before_the_answer_is_made_good_for_all(tmp_path: Path) -> None:
    async def dies(exchange: Exchange) -> None:
        exchange.reset()

    with FakeEngine(dies) as bad, FakeEngine() as good:
        with reusing(GatewayWorker(tmp_path, [bad.port, good.port])) as worker, ThreadPoolExecutor(6) as pool:
            calls = [pool.submit(answered, worker) for _ in range(6)]
            assert {call.result(60)[1] for call in calls} == {completion("hello")}
        assert bad.requests <= 1
        assert good.requests == 1


def test_who_may_wait_is_not_refused_with_an_equal_call_that_may_not(tmp_path: Path) -> None:
    with FakeEngine(gate := Gate()) as busy, reusing(GatewayWorker(tmp_path, [busy.port])) as worker:
        engines = tuple(msgspec.structs.replace(each, max_outstanding=1) for each in worker.snapshot.engines)
        worker.snapshot = msgspec.structs.replace(worker.snapshot, engines=engines)
        worker.reload()
        with ThreadPoolExecutor(3) as pool:
            pool.submit(worker.post, ASKED | {"seed": 1})
            wait_for("the only place is taken", lambda: busy.running == 1)
            hurried = pool.submit(worker.post, ASKED, **{"x-forebay-deadline-ms": "1000"})
            wait_for("it has asked", lambda: worker.counted("forebay_cache_total") == 2)
            patient = pool.submit(worker.post, ASKED)
            assert hurried.result(60)[0] == 503
            gate.is_open = True
            assert patient.result(60)[0] == 200


def test_a_hit_costs_no_tokens_and_says_so_in_the_log(engine: FakeEngine, worker: GatewayWorker) -> None:
    first, again = answered(worker), answered(worker)
    assert (first[0], again[0]) == ("miss", "hit")
    assert first[1] == again[1]
    assert engine.requests == 1

    def logged() -> bool:
        lines = [line for line in worker.log_lines() if line["message"] == "request"]
        return [(line["cache"], line["tokens"]["output"], line["engine"]) for line in lines] == [
            ("miss", 3, "e1"),
            ("hit", 0, ""),
        ]

    wait_for("both are in the log", logged)
    assert worker.counted("forebay_tokens_total", type="output") == 3


def test_two_tenants_never_share_an_answer_or_a_generation(engine: FakeEngine, worker: GatewayWorker) -> None:
    other = another_key(worker, "t2")
    same = another_key(worker, "t1")
    worker.reload()
    assert answered(worker)[0] == "miss"
    assert answered(worker, authorization=f"Bearer {other}")[0] == "miss"
    assert answered(worker, authorization=f"Bearer {same}")[0] == "hit"
    assert engine.requests == 2
    gate = engine.script = Gate()
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(answered, worker, STREAM, authorization=f"Bearer {key}", **{"x-forebay-cache": "refresh"})
            for key in (worker.key, other)
        ]
        wait_for("two generations run", lambda: engine.running == 2)
        gate.is_open = True
        assert [call.result(60)[0] for call in calls] == ["miss", "miss"]


def test_a_new_policy_drops_what_was_answered_under_the_old_one(engine: FakeEngine, worker: GatewayWorker) -> None:
    answered(worker)
    assert answered(worker)[0] == "hit"
    reusing(worker, version="v2").reload()
    assert answered(worker)[0] == "miss"
    worker.policy(queue_calls=999).reload()  # an engine's state changes snapshots all the time
    assert answered(worker)[0] == "hit"


def test_a_stream_is_given_again_whole_and_a_whole_answer_streamed(engine: FakeEngine, worker: GatewayWorker) -> None:
    _, whole = answered(worker)
    origin, stream = answered(worker, STREAM | {"stream_options": {"include_usage": True}})
    assert origin == "hit"
    events = [orjson.loads(line[6:]) for line in stream.splitlines() if line.startswith(b"data: {")]
    said = "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])
    assert said == orjson.loads(whole)["choices"][0]["message"]["content"]
    assert events[-1]["usage"] == orjson.loads(whole)["usage"]


def begun(worker: GatewayWorker) -> http.client.HTTPConnection:
    """A client that has read the beginning of a stream."""
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
    headers = {"authorization": f"Bearer {worker.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", orjson.dumps(STREAM), headers)
    answer = connection.getresponse()
    assert answer.read(10)
    return connection
