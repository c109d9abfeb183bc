"""Calls through a real worker with a real log: nothing is asked or answered that is not on the disk."""

from __future__ import annotations

import http.client
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import orjson
import psutil
import pytest
from tests.integration.audit.writing import records, writer

from forebay.gateway.auditing.policy import AuditPolicy
from forebay.testing.fake_engine import Exchange, FakeEngine
from forebay.testing.worker import GatewayWorker, wait_for

CALL: dict[str, Any] = {"model": "gpt-alias", "messages": [{"role": "user", "content": "canary-7f3"}], "user": "alice"}


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[tuple[GatewayWorker, FakeEngine]]:
    with FakeEngine() as engine:
        worker = GatewayWorker(tmp_path, [engine.port])
        policy = AuditPolicy(wait_s=30.0, summary_s=0.2)
        worker.snapshot = msgspec.structs.replace(worker.snapshot, audit=policy)
        with writer(worker.state), worker:
            yield worker, engine


def of(worker: GatewayWorker, kind: str) -> list[dict[str, Any]]:
    return [each for each in records(worker.state) if each["kind"] == kind]


def test_a_call_has_an_intent_and_an_outcome_and_no_content(audited: tuple[GatewayWorker, FakeEngine]) -> None:
    worker, _engine = audited
    status, body = worker.post(CALL)
    assert status == 200
    intent, outcome = of(worker, "intent")[0], of(worker, "outcome")[0]
    usage = orjson.loads(body)["usage"]
    assert intent["id"] == outcome["id"]
    assert (intent["verdict"], intent["tenant"], intent["model"], intent["endpoint"]) == (
        "admitted", "t1", "m", "/v1/chat/completions"
    )  # fmt: skip
    assert (outcome["verdict"], outcome["status"], outcome["engine"]) == ("answered", 200, "e1")
    assert (outcome["input_tokens"], outcome["output_tokens"]) == (usage["prompt_tokens"], usage["completion_tokens"])
    assert intent["policy"] == worker.state.acknowledgement(worker.name).read_text()
    everything = b"".join(path.read_bytes() for path in worker.state.audit.iterdir())
    assert b"canary-7f3" not in everything
    assert b"alice" not in everything
    assert b"127.0.0.1" not in everything


def test_a_stream_is_whole_only_once_its_outcome_is_on_the_log(audited: tuple[GatewayWorker, FakeEngine]) -> None:
    worker, _engine = audited
    status, body = worker.post({**CALL, "stream": True})
    outcome = of(worker, "outcome")[0]
    assert (status, body[-14:]) == (200, b"data: [DONE]\n\n")
    assert (outcome["verdict"], outcome["output_tokens"] > 0) == ("answered", True)


def test_without_a_writer_no_engine_is_asked(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        worker = GatewayWorker(tmp_path, [engine.port])
        worker.snapshot = msgspec.structs.replace(worker.snapshot, audit=AuditPolicy(wait_s=0.2))
        with worker:
            status, body = worker.post(CALL)
            asked = worker.counted("forebay_engine_requests_total")
    assert (status, orjson.loads(body)["error"]["code"]) == (503, "audit_unavailable")
    assert asked == 0


def test_an_answer_waits_for_a_writer_that_hangs_and_is_then_refused(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        worker = GatewayWorker(tmp_path, [engine.port])
        worker.snapshot = msgspec.structs.replace(worker.snapshot, audit=AuditPolicy(wait_s=1.0))
        with writer(worker.state) as running, worker:
            wait_for("calls are answered", lambda: worker.post(CALL)[0] == 200)
            running.send_signal(signal.SIGSTOP)
            wait_for("it hangs", lambda: psutil.Process(running.pid).status() == psutil.STATUS_STOPPED)
            status, _body = worker.post(CALL)
            assert status == 503
            running.send_signal(signal.SIGCONT)
            wait_for("calls are answered again", lambda: worker.post(CALL)[0] == 200)


def test_a_call_that_comes_while_the_writer_is_away_waits_for_the_next_one(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        worker = GatewayWorker(tmp_path, [engine.port])
        worker.snapshot = msgspec.structs.replace(worker.snapshot, audit=AuditPolicy(wait_s=50.0))
        with worker, ThreadPoolExecutor() as pool:
            with writer(worker.state):
                assert worker.post(CALL)[0] == 200
            waiting = pool.submit(worker.post, CALL)
            with writer(worker.state):
                assert waiting.result(60)[0] == 200
    assert [each["kind"] for each in records(worker.state)] == ["intent", "outcome"] * 2


def test_refusals_of_strangers_are_counted_and_not_written_one_by_one(
    audited: tuple[GatewayWorker, FakeEngine],
) -> None:
    worker, _engine = audited
    for _ in range(40):
        assert worker.post(CALL, authorization="Bearer nonsense")[0] in (401, 429)
    with worker.connect() as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400")
    wait_for("all are counted", lambda: sum(each["total"] for each in of(worker, "refusals")) == 41)
    assert len(of(worker, "refusal")) <= 16 * len(of(worker, "refusals"))
    assert not of(worker, "outcome")


def test_a_refusal_of_a_known_caller_is_recorded_before_it_is_told(
    audited: tuple[GatewayWorker, FakeEngine],
) -> None:
    worker, _engine = audited
    assert worker.post({**CALL, "model": "no-such"})[0] == 404
    (outcome,) = of(worker, "outcome")
    assert (outcome["verdict"], outcome["code"], outcome["tenant"]) == ("refused", "model_not_found", "t1")
    assert not of(worker, "intent")


def test_a_known_caller_who_may_not_is_on_record_by_name(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        worker = GatewayWorker(tmp_path, [engine.port])
        policy = AuditPolicy(wait_s=30.0, summary_s=0.2)
        keys = tuple(msgspec.structs.replace(each, scopes=("models:read",)) for each in worker.snapshot.keys)
        worker.snapshot = msgspec.structs.replace(worker.snapshot, audit=policy, keys=keys)
        with writer(worker.state), worker:
            assert worker.post(CALL)[0] == 403
            (outcome,) = of(worker, "outcome")
            assert not of(worker, "refusals")
    assert (outcome["verdict"], outcome["code"], outcome["tenant"]) == ("refused", "permission_denied", "t1")
    assert outcome["key"]


def test_who_leaves_in_the_middle_is_recorded_as_gone(tmp_path: Path) -> None:
    async def half_a_stream(exchange: Exchange) -> None:
        await exchange.begin_stream()
        await exchange.event(b'{"choices":[{"index":0,"delta":{"content":"a"}}]}')
        await exchange.until_client_leaves()

    with FakeEngine(half_a_stream) as engine:
        worker = GatewayWorker(tmp_path, [engine.port])
        worker.snapshot = msgspec.structs.replace(worker.snapshot, audit=AuditPolicy(wait_s=30.0))
        with writer(worker.state), worker:
            connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
            head = {"authorization": f"Bearer {worker.key}", "content-type": "application/json"}
            connection.request("POST", "/v1/chat/completions", orjson.dumps({**CALL, "stream": True}), head)
            answer = connection.getresponse()
            assert b"delta" in answer.read1()
            answer.close()
            connection.close()
            wait_for("the outcome is recorded", lambda: of(worker, "outcome"))
            (outcome,) = of(worker, "outcome")
    assert (outcome["verdict"], outcome["cancelled"]) == ("cancelled", "client_left")
