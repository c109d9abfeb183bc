"""Another engine answers as long as the client has no byte, within a budget, and never for what the client did."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import orjson
import pytest
from tests.integration.gateway.raw import FIELDS, STREAM, Raw
from tests.integration.gateway.scripts import STREAM_HEAD, Script, answers_after, refuses, sends

from forebay.testing.fake_engine import Exchange, FakeEngine, say_hello
from forebay.testing.worker import GatewayWorker, wait_for
from forebay.wire.chunked import LAST_CHUNK, chunk

CHUNKED_HEAD = STREAM_HEAD + b"transfer-encoding: chunked\r\n\r\n"
FAILURES: dict[str, tuple[Script, str]] = {
    "reset": (sends(), "reset"),
    "closed": (sends(then="close"), "closed"),
    "502": (refuses(502), "status_502"),
    "503": (refuses(503), "status_503"),
    "no HTTP": (sends(b"* OK IMAP4 ready\r\n"), "bad_answer"),
    "two lengths": (sends(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"), "bad_answer"),
    "length and chunked": (
        sends(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n"), "bad_answer"),
    "length too long": (
        sends(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{}", then="close"),
        "closed",
    ),
    "bad chunk": (sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), "bad_answer"),
    "half a head": (sends(b"HTTP/1.1 200 OK\r\ncontent-"), "reset"),
    "a megabyte of headers": (sends(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000), "bad_answer"),
}  # fmt: skip
BEFORE_THE_FIRST_EVENT: dict[str, tuple[Script, str]] = {
    "head alone": (sends(CHUNKED_HEAD), "reset"),
    "half an event": (sends(CHUNKED_HEAD + chunk(b'data: {"a"')), "reset"),
    "half a chunk": (sends(CHUNKED_HEAD + b"40\r\ndata: x"), "reset"),
    "no event": (sends(CHUNKED_HEAD + LAST_CHUNK), "no_done"),
    "bad chunk": (sends(CHUNKED_HEAD + b"zz\r\n"), "bad_framing"),
    "length 0": (sends(STREAM_HEAD + b"content-length: 0\r\n\r\n"), "no_done"),
}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[FakeEngine, FakeEngine, GatewayWorker]]:
    """Two engines and a worker that asks the first one first."""
    with FakeEngine() as first, FakeEngine() as second, GatewayWorker(tmp_path, [first.port, second.port]) as worker:
        yield first, second, worker


def retries(worker: GatewayWorker, reason: str) -> float:
    return worker.counted("forebay_retries_total", reason=reason)


def outcomes(worker: GatewayWorker, engine: str, outcome: str) -> float:
    return worker.counted("forebay_engine_requests_total", engine=engine, outcome=outcome)


Pair = tuple[FakeEngine, FakeEngine, GatewayWorker]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", FAILURES)
def test_a_call_whose_engine_fails_is_answered_by_another(pair: Pair, case: str, stream: bool) -> None:
    first, second, worker = pair
    first.script, reason = FAILURES[case]
    assert worker.post({**FIELDS, "stream": stream})[0] == 200
    assert (first.requests, second.requests) == (1, 1)
    assert retries(worker, reason) == 1
    assert outcomes(worker, "e1", reason) == 1
    wait_for("it is counted", lambda: outcomes(worker, "e2", "answered") == 1)


@pytest.mark.parametrize("case", BEFORE_THE_FIRST_EVENT)
def test_a_stream_without_an_event_is_begun_by_another(pair: Pair, case: str) -> None:
    first, second, worker = pair
    first.script, reason = BEFORE_THE_FIRST_EVENT[case]
    with Raw(worker) as raw:
        assert raw.call(STREAM).answer().payloads[-1] == b"[DONE]"
    assert (first.requests, second.requests) == (1, 1)
    assert retries(worker, reason) == 1


def test_an_engine_that_refuses_connections_costs_no_call_and_no_budget(pair: Pair) -> None:
    first, second, worker = pair
    first.kill()
    worker.policy(retry_budget_ratio=0.0).reload()
    for _ in range(5):
        assert worker.post(FIELDS)[0] == 200
    assert second.requests == 5
    assert retries(worker, "refused") >= 1
    first.revive()
    wait_for("it is asked again", lambda: worker.post(FIELDS)[0] == 200 and first.requests)


@pytest.mark.parametrize("status", [400, 401, 404, 413, 422, 429, 500, 501, 504])
def test_what_another_engine_would_say_too_is_not_asked_twice(pair: Pair, status: int) -> None:
    first, second, worker = pair
    first.script = refuses(status)
    answered, body = worker.post(FIELDS)
    assert (first.requests, second.requests) == (1, 0)
    assert retries(worker, f"status_{status}") == 0
    if status in {400, 404, 413, 422}:
        assert (answered, orjson.loads(body)["error"]["message"]) == (400, "engine says no")
    elif status == 429:
        assert (answered, orjson.loads(body)["error"]["code"]) == (429, "engine_busy")
    else:
        assert (answered, orjson.loads(body)["error"]["code"]) == (502, "engine_error")
        assert b"engine says no" not in body


def test_a_dying_fleet_gets_no_more_than_the_budget(tmp_path: Path) -> None:
    calls, ratio, places = 12, 0.25, 1
    with ExitStack() as stack:
        engines = [stack.enter_context(FakeEngine(refuses(503))) for _ in range(4)]
        worker = GatewayWorker(tmp_path, [engine.port for engine in engines], places=places)
        stack.enter_context(worker.policy(retry_budget_ratio=ratio, queue_wait_s=0.2))
        seen = [worker.post(FIELDS) for _ in range(calls)]
        codes = {orjson.loads(body)["error"]["code"] for _, body in seen}
        assert codes <= {"engine_lost", "queue_timeout"}
        asked = sum(engine.requests for engine in engines)
        assert asked <= calls + 2 * places + ratio * calls
        assert worker.counted("forebay_retries_total") <= 2 * places + ratio * calls


def test_every_call_is_answered_while_one_of_two_engines_dies(pair: Pair) -> None:
    first, second, worker = pair
    first.script = second.script = answers_after(0.02)
    dead = threading.Event()

    def calls(_: int) -> list[int]:
        found = []
        while len(found) < 10 or not dead.is_set():
            found.append(worker.post(FIELDS)[0])
        return [*found, worker.post(FIELDS)[0]]

    with ThreadPoolExecutor(12) as pool:
        running = [pool.submit(calls, number) for number in range(12)]
        wait_for("calls flow", lambda: first.requests > 20)
        first.kill()
        dead.set()
        statuses = [status for each in running for status in each.result(60)]
    assert set(statuses) == {200}
    assert worker.counted("forebay_retries_total") > 0


def test_a_kept_connection_that_the_engine_closes_costs_nothing(pair: Pair) -> None:
    first, second, worker = pair
    second.kill()
    first.script = closes_kept_connections
    statuses = [worker.post(FIELDS)[0] for _ in range(4)]
    assert statuses == [200] * 4
    assert first.connections >= 2
    assert retries(worker, "reset") + retries(worker, "closed") == 0
    wait_for("they are counted", lambda: outcomes(worker, "e1", "answered") == 4)


async def closes_kept_connections(exchange: Exchange) -> None:
    """Answer the first request of a connection, drop it at the second, as a server does whose idle time ran out."""
    if hasattr(exchange._writer, "asked"):
        exchange.reset()
        return
    exchange._writer.asked = True  # type: ignore[attr-defined]
    await say_hello(exchange)


def test_an_engine_that_keeps_silent_is_a_timeout(pair: Pair) -> None:
    first, second, worker = pair
    first.script = sends(then="nothing")
    worker.policy(first_byte_s=0.2).reload()
    status, body = worker.post(FIELDS)
    assert (status, orjson.loads(body)["error"]["code"]) == (504, "engine_timeout")
    wait_for("its work is aborted", lambda: first.aborted == 1)
    assert second.requests == 0


def test_an_answer_that_is_too_large_is_the_caller_s_and_suspends_no_engine(pair: Pair) -> None:
    first, second, worker = pair
    second.kill()
    worker.policy(answer_bytes=10_000, queue_wait_s=0.0).reload()
    for framing in (b"content-length: 20000\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n4e20\r\n"):
        first.script = sends(b"HTTP/1.1 200 OK\r\n" + framing + b"a" * 20_000, then="nothing")
        status, body = worker.post(FIELDS)
        assert (status, orjson.loads(body)["error"]["code"]) == (502, "answer_too_large")
    first.script = say_hello
    assert worker.post(FIELDS)[0] == 200
    assert first.requests == 3
