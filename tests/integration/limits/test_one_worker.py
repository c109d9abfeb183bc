"""A real worker without a Valkey: limits refuse with code, time and numbers, and settle to what was used."""

from __future__ import annotations

import http.client
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec
import orjson
import pytest

from forebay.gateway.limits.policy import NANO_USD, Bounds, LimitsPolicy, Price
from forebay.testing.fake_engine import Exchange, FakeEngine, completion, delta, say_hello
from forebay.testing.worker import GatewayWorker, wait_for

CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20}


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture
def worker(engine: FakeEngine, tmp_path: Path) -> Iterator[GatewayWorker]:
    made = GatewayWorker(tmp_path, [engine.port])
    limited(made)
    with made:
        yield made


def limited(worker: GatewayWorker, **bounds: int | None) -> None:
    policy = LimitsPolicy(tenant_default=Bounds(**bounds), prices={"m": Price(1000, 2000)}, prompt_bytes_per_token=4)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, limits=policy)
    if worker.process is not None:
        worker.reload()


def call(worker: GatewayWorker, fields: dict[str, object] = CHAT) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=30)
    try:
        headers = {"authorization": f"Bearer {worker.key}", "content-type": "application/json"}
        connection.request("POST", "/v1/chat/completions", orjson.dumps(fields), headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def tokens_left(worker: GatewayWorker) -> int:
    """Before this call, which takes some itself."""
    _status, headers, _body = call(worker, {**CHAT, "max_tokens": 1})
    need = len(orjson.dumps({**CHAT, "max_tokens": 1})) // 4 + 16 + 1
    return int(headers["x-ratelimit-remaining-tokens"]) + need


def test_requests_beyond_the_limit_are_refused_before_an_engine_sees_them(
    engine: FakeEngine, worker: GatewayWorker
) -> None:
    limited(worker, requests_per_minute=3)
    answers = [call(worker) for _ in range(5)]
    assert [status for status, _headers, _body in answers] == [200, 200, 200, 429, 429]
    assert engine.requests == 3
    assert [answer[1]["x-ratelimit-remaining-requests"] for answer in answers] == ["2", "1", "0", "0", "0"]
    _status, headers, body = answers[-1]
    error = orjson.loads(body)["error"]
    assert (error["code"], error["type"]) == ("rate_limit_exceeded", "rate_limit_error")
    assert "this tenant's limit of 3 requests a minute" in error["message"]
    assert 1 <= int(headers["retry-after"]) <= 61
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert worker.counted("forebay_limited_total", scope="tenant", measure="requests_per_minute") == 2


@pytest.mark.parametrize("stream", [False, True])
def test_tokens_settle_to_what_the_engine_counted(engine: FakeEngine, worker: GatewayWorker, stream: bool) -> None:
    limited(worker, tokens_per_minute=10_000)
    fields = {**CHAT, "max_tokens": 3000, "n": 2, "stream": stream}
    status, headers, _body = call(worker, fields)
    assert status == 200
    assert int(headers["x-ratelimit-remaining-tokens"]) < 10_000 - 6000
    assert tokens_left(worker) == 10_000 - 10  # the engine says 7 and 3, whatever was reserved


def test_more_than_the_whole_limit_is_told_so(worker: GatewayWorker) -> None:
    limited(worker, tokens_per_minute=100)
    status, headers, body = call(worker, {**CHAT, "max_tokens": 500})
    assert (status, orjson.loads(body)["error"]["code"]) == (429, "token_limit_exceeded")
    assert "ask for less" in orjson.loads(body)["error"]["message"]
    assert "retry-after" not in headers
    assert headers["x-should-retry"] == "false"  # or OpenAI's clients ask again, in vain


def test_a_client_that_leaves_pays_for_what_it_got_and_no_more(engine: FakeEngine, worker: GatewayWorker) -> None:
    limited(worker, tokens_per_minute=10_000, concurrency=5)

    async def five_events(exchange: Exchange) -> None:
        await exchange.begin_stream()
        for _ in range(5):
            await exchange.event(delta("x"))
        await exchange.until_client_leaves()

    engine.script = five_events
    connection = worker.connect()
    body = orjson.dumps({**CHAT, "max_tokens": 4000, "stream": True})
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {worker.key}\r\n"
    connection.sendall(
        head.encode() + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    )
    received = b""
    while received.count(b"data: ") < 5:
        received += connection.recv(65536)
    connection.close()
    wait_for("the engine is told", lambda: engine.aborted == 1)
    engine.script = say_hello
    wait_for("the call is settled", lambda: worker.counted("forebay_calls_in_flight") == 0)
    assert tokens_left(worker) == 10_000 - 5 - len(body) // 4


def test_a_call_that_no_engine_answered_costs_no_tokens(engine: FakeEngine, worker: GatewayWorker) -> None:
    limited(worker, tokens_per_minute=10_000)

    async def fails(exchange: Exchange) -> None:
        exchange.reset()

    engine.script = fails
    assert call(worker, {**CHAT, "max_tokens": 4000})[0] == 502
    engine.script = say_hello
    assert tokens_left(worker) == 10_000


def test_a_retried_call_is_charged_once(engine: FakeEngine, worker: GatewayWorker) -> None:
    limited(worker, tokens_per_minute=10_000, requests_per_minute=100)
    seen = []

    async def fails_first(exchange: Exchange) -> None:
        seen.append(exchange)
        if len(seen) == 1:
            await exchange.answer(b"{}", 503)
        else:
            await exchange.answer(completion("x"))

    engine.script = fails_first
    status, headers, _body = call(worker)
    assert (status, len(seen)) == (200, 2)
    assert headers["x-ratelimit-remaining-requests"] == "99"
    assert tokens_left(worker) == 10_000 - 10


def test_no_more_calls_run_than_may(engine: FakeEngine, worker: GatewayWorker) -> None:
    limited(worker, concurrency=1)

    async def waits(exchange: Exchange) -> None:
        await exchange.until_client_leaves()

    engine.script = waits
    first = worker.connect()
    body = orjson.dumps(CHAT)
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {worker.key}\r\n"
    first.sendall(head.encode() + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    wait_for("the first one runs", lambda: engine.running == 1)
    status, headers, answer = call(worker)
    assert (status, orjson.loads(answer)["error"]["code"]) == (429, "concurrency_exceeded")
    assert headers["retry-after"] == "1"
    first.close()
    engine.script = say_hello
    wait_for("the place is free again", lambda: call(worker)[0] == 200)


def test_money_outlives_a_killed_worker(engine: FakeEngine, worker: GatewayWorker) -> None:
    # 7 x 1000 + 3 x 2000 = 13,000 nano-USD a call; the estimate is larger.
    limited(worker, nano_usd_per_day=60_000)
    assert [call(worker, {**CHAT, "max_tokens": 4})[0] for _ in range(3)] == [200, 200, 429]
    wait_for("what was spent is on disk", lambda: _spent(worker) == 26_000)
    assert worker.process is not None
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    worker.start()
    status, headers, body = call(worker, {**CHAT, "max_tokens": 4})
    error = orjson.loads(body)["error"]
    assert (status, error["code"]) == (429, "budget_exceeded")
    assert f"{60_000 / NANO_USD:g} USD a day" in error["message"]
    assert int(headers["retry-after"]) <= 86_400


def test_a_reload_changes_limits_and_forgets_nothing(worker: GatewayWorker) -> None:
    limited(worker, requests_per_minute=100)
    assert call(worker)[1]["x-ratelimit-remaining-requests"] == "99"
    limited(worker, requests_per_minute=2)
    assert [call(worker)[0] for _ in range(2)] == [200, 429]
    limited(worker)
    status, headers, _body = call(worker)
    assert status == 200
    assert not [name for name in headers if name.startswith("x-ratelimit")]


def _spent(worker: GatewayWorker) -> int:
    path = worker.state.spent / f"{worker.name}.json"
    records = orjson.loads(path.read_bytes()) if path.exists() else {}
    return sum(sum(periods.values()) for periods in records.values())
