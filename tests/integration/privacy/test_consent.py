"""Consent through a real worker and a real log: no engine is asked without it; streams end where it is withdrawn."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest
from tests.integration.audit.writing import records, writer

from forebay.audit.client import book
from forebay.audit.consents import said_by
from forebay.audit.database import read_only
from forebay.audit.export import Wanted, rows
from forebay.audit.persons import person
from forebay.audit.recorder import LOG, SUBJECTS
from forebay.audit.store import leaves_of
from forebay.audit.subjects import Opener
from forebay.gateway.auditing.policy import AuditPolicy
from forebay.gateway.consent.policy import ConsentPolicy
from forebay.testing.fake_engine import Exchange, FakeEngine
from forebay.testing.worker import GatewayWorker, wait_for

CALL: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "user": "alice"}
MESSAGES: dict[str, Any] = {**CALL, "max_tokens": 5, "metadata": {"user_id": "alice"}}
del MESSAGES["user"]
WITHDRAWN = "consent_withdrawn"
POLICY = ConsentPolicy(known=frozenset({"advice", "ads"}), needed=frozenset({"ads"}), default="ads")


@contextmanager
def asking(folder: Path, engine: FakeEngine, policy: ConsentPolicy = POLICY) -> Iterator[GatewayWorker]:
    worker = GatewayWorker(folder, [engine.port])
    worker.snapshot = msgspec.structs.replace(worker.snapshot, audit=AuditPolicy(wait_s=30.0), consent=policy)
    with writer(worker.state), worker:
        yield worker


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[GatewayWorker]:
    with FakeEngine() as engine, asking(tmp_path, engine) as running:
        yield running


def say(worker: GatewayWorker, *, granted: bool, subject: str = "alice") -> None:
    with book(worker.state.audit, worker.state.audit_socket) as log:
        log.consent("t1", subject, "ads", "tester", granted=granted)


def code(answer: tuple[int, bytes]) -> str:
    found: str = orjson.loads(answer[1])["error"].get("code", "")
    return found


def test_without_consent_no_engine_is_asked_and_with_it_the_call_goes_on(worker: GatewayWorker) -> None:
    refused = worker.post(CALL)
    assert (refused[0], code(refused)) == (403, "consent_required")
    assert worker.counted("forebay_engine_requests_total") == 0
    say(worker, granted=True)
    wait_for("the worker has heard of it", lambda: worker.post(CALL)[0] == 200)
    assert worker.post({**CALL, "user": "bob"})[0] == 403
    say(worker, granted=False)
    wait_for("the worker has heard of its end", lambda: worker.post(CALL)[0] == 403)


def test_a_refusal_for_want_of_consent_is_recorded_with_the_person(worker: GatewayWorker) -> None:
    assert worker.post(CALL)[0] == 403
    wait_for("the refusal is recorded", lambda: outcomes(worker))
    log, keys = read_only(worker.state.audit / LOG), read_only(worker.state.audit / SUBJECTS)
    with closing(log), closing(keys):
        (outcome,) = rows(leaves_of(log), Opener(keys), Wanted(kinds=frozenset({"outcome"})))
    assert (outcome["code"], outcome["subject"]) == ("consent_required", "alice")


def test_a_purpose_without_consent_is_named_by_the_call_and_recorded(worker: GatewayWorker) -> None:
    assert worker.post(CALL, **{"x-forebay-purpose": "advice"})[0] == 200
    wrong = worker.post(CALL, **{"x-forebay-purpose": "gossip"})
    assert (wrong[0], code(wrong)) == (400, "unknown_purpose")
    (intent,) = [each for each in records(worker.state) if each["kind"] == "intent"]
    assert intent["purpose"] == "advice"


def test_who_names_nobody_calls_for_the_holder_of_the_key(worker: GatewayWorker) -> None:
    nobody = {name: value for name, value in CALL.items() if name != "user"}
    assert worker.post(nobody)[0] == 403
    say(worker, granted=True, subject=f"key:{worker.snapshot.keys[0].id}")
    wait_for("the holder's consent counts", lambda: worker.post(nobody)[0] == 200)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/v1/messages", MESSAGES),
        ("/v1/completions", {"model": "m", "prompt": "a", "user": "alice"}),
        ("/v1/embeddings", {"model": "m", "input": "a", "user": "alice"}),
        ("/v1/responses", {"model": "m", "input": "a", "safety_identifier": "alice"}),
    ],
)
def test_every_route_has_the_same_verdict(worker: GatewayWorker, path: str, fields: dict[str, Any]) -> None:
    assert worker.post(fields, path=path)[0] == 403
    say(worker, granted=True)
    wait_for("the person's consent counts", lambda: worker.post(fields, path=path)[0] != 403)
    status, body = worker.post({**fields, "stream": True}, path=path) if path != "/v1/embeddings" else (0, b"")
    assert status != 403, body


async def endless(exchange: Exchange) -> None:
    await exchange.begin_stream()
    await exchange.event(b'{"choices":[{"index":0,"delta":{"content":"a"}}]}')
    await exchange.until_client_leaves()


def test_withdrawal_ends_running_streams_of_that_person_alone(tmp_path: Path) -> None:
    with FakeEngine(endless) as engine, asking(tmp_path, engine) as worker:
        for subject in ("alice", "bob"):
            say(worker, granted=True, subject=subject)
        wait_for("both consents count", lambda: is_heard(worker, "bob") and is_heard(worker, "alice"))
        with streaming(worker, "bob") as answer, streaming(worker, "alice") as other:
            assert b"delta" in answer.read1()
            assert b"delta" in other.read1()
            say(worker, granted=False, subject="alice")
            rest = other.read()
            assert b'"code":"consent_withdrawn"' in rest
            assert b"[DONE]" not in rest
            say(worker, granted=False, subject="bob")  # until now it went on
            assert b'"code":"consent_withdrawn"' in answer.read()
        wait_for("the outcomes say why", lambda: [each.get("code") for each in outcomes(worker)].count(WITHDRAWN) == 2)


@contextmanager
def streaming(worker: GatewayWorker, user: str) -> Iterator[http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
    head = {"authorization": f"Bearer {worker.key}", "content-type": "application/json"}
    connection.request("POST", "/v1/chat/completions", orjson.dumps({**CALL, "user": user, "stream": True}), head)
    answer = connection.getresponse()
    try:
        yield answer
    finally:
        answer.close()
        connection.close()


def is_heard(worker: GatewayWorker, user: str) -> bool:
    with streaming(worker, user) as answer:
        return answer.status == 200


def outcomes(worker: GatewayWorker) -> list[dict[str, Any]]:
    return [each for each in records(worker.state) if each["kind"] == "outcome"]


def test_an_erased_person_has_consented_to_nothing(worker: GatewayWorker) -> None:
    say(worker, granted=True)
    wait_for("the consent counts", lambda: worker.post(CALL)[0] == 200)
    with book(worker.state.audit, worker.state.audit_socket) as log:
        assert log.shred("t1", "alice", "tester").keys
    assert said_by(worker.state.consents, person("t1", "alice")) == ()
    wait_for("the worker has forgotten, too", lambda: worker.post(CALL)[0] == 403)


def test_a_reload_turns_consent_on_and_off(tmp_path: Path) -> None:
    with FakeEngine() as engine:
        worker = GatewayWorker(tmp_path, [engine.port])
        with worker:
            assert worker.post(CALL)[0] == 200
            worker.snapshot = msgspec.structs.replace(worker.snapshot, consent=POLICY)
            worker.reload()
            wait_for("consent is asked for", lambda: worker.post(CALL)[0] == 403)
            worker.snapshot = msgspec.structs.replace(worker.snapshot, consent=None)
            worker.reload()
            assert worker.post(CALL)[0] == 200
