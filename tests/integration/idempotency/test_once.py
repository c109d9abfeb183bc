"""Calls with an idempotency key before a real worker and its file: one generation, its answer given again."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import orjson
import pytest
from tests.integration.gateway.scripts import Gate

from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.privacy.policy import Actions, PrivacyPolicy, Scope
from forebay.testing.fake_engine import Exchange, FakeEngine, completion, say_hello
from forebay.testing.worker import GatewayWorker, wait_for

FIELDS = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
CHAT, STREAM = orjson.dumps(FIELDS), orjson.dumps({**FIELDS, "stream": True})
POLICY = IdempotencyPolicy(keep_s=3600, answer_bytes=64 * 1024, memory_bytes=1024 * 1024, keys=1000)
Answer = tuple[int, dict[str, str], bytes]


def once(worker: GatewayWorker, **changes: object) -> GatewayWorker:
    """`worker` with idempotency on."""
    policy = msgspec.structs.replace(POLICY, **changes)
    worker.snapshot = msgspec.structs.replace(worker.snapshot, idempotency=policy)
    return worker


def ask(worker: GatewayWorker, key: str, body: bytes = CHAT) -> Answer:
    """One call; status, headers by lower-case name, body."""
    connection = http.client.HTTPConnection("127.0.0.1", worker.port, timeout=60)
    headers = {"authorization": f"Bearer {worker.key}", "content-type": "application/json", "idempotency-key": key}
    try:
        connection.request("POST", "/v1/chat/completions", body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def code(answer: Answer) -> tuple[int, str]:
    return answer[0], orjson.loads(answer[2])["error"]["code"]


def race(workers: list[GatewayWorker], key: str, callers: int) -> list[Answer]:
    """As many callers at once, the workers in turn."""
    found: list[Answer] = []
    ready = threading.Barrier(callers)

    def call(number: int) -> None:
        ready.wait(30)
        found.append(ask(workers[number % len(workers)], key))

    running = [threading.Thread(target=call, args=(number,)) for number in range(callers)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return found


async def numbered(exchange: Exchange) -> None:
    """No two answers alike."""
    await exchange.answer(completion(os.urandom(8).hex()))


@pytest.fixture(scope="module")
def engine() -> Iterator[FakeEngine]:
    with FakeEngine() as running:
        yield running


@pytest.fixture(scope="module")
def worker(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    with once(GatewayWorker(tmp_path_factory.mktemp("state"), [engine.port])) as running:
        yield running


def test_an_answer_is_given_again_byte_for_byte(worker: GatewayWorker, engine: FakeEngine) -> None:
    engine.script = numbered
    first, before = ask(worker, "again"), engine.requests
    wait_for("it is kept", lambda: ask(worker, "again")[0] == 200)
    second = ask(worker, "again")
    assert (second[0], second[2]) == (200, first[2])
    assert second[1]["idempotent-replayed"] == "true"
    assert second[1]["content-type"] == first[1]["content-type"]
    assert "idempotent-replayed" not in first[1]
    assert ask(worker, "another")[2] != first[2]
    assert engine.requests == before + 1


def test_the_order_of_fields_is_no_other_request_but_another_word_is(worker: GatewayWorker, engine: FakeEngine) -> None:
    engine.script = say_hello
    assert ask(worker, "order")[0] == 200
    before = engine.requests
    turned = orjson.dumps(dict(reversed(FIELDS.items())), option=orjson.OPT_INDENT_2)
    wait_for("it is kept", lambda: ask(worker, "order", turned)[0] == 200)
    other = ask(worker, "order", orjson.dumps({**FIELDS, "max_tokens": 1}))
    assert code(other) == (422, "idempotency_mismatch")
    assert other[1]["x-should-retry"] == "false"
    assert engine.requests == before


def test_a_key_in_use_is_told_when_to_come_back(worker: GatewayWorker, engine: FakeEngine) -> None:
    opened = threading.Event()

    async def waits(exchange: Exchange) -> None:
        import asyncio  # noqa: PLC0415

        while not opened.is_set():  # noqa: ASYNC110  opened from another thread
            await asyncio.sleep(0.005)
        await exchange.answer(completion("late"))

    engine.script = waits
    found: list[Answer] = []
    before = engine.requests
    first = threading.Thread(target=lambda: found.append(ask(worker, "slow")))
    first.start()
    wait_for("it runs", lambda: engine.requests == before + 1)
    second = ask(worker, "slow")
    assert code(second) == (409, "idempotency_in_progress")
    assert int(second[1]["retry-after"]) >= 1
    opened.set()
    first.join()
    engine.script = say_hello
    wait_for("its answer is there", lambda: ask(worker, "slow")[2] == found[0][2])
    assert engine.requests == before + 1


def test_a_finished_stream_is_not_generated_again(worker: GatewayWorker, engine: FakeEngine) -> None:
    engine.script = say_hello
    assert ask(worker, "stream", STREAM)[0] == 200
    before = engine.requests
    wait_for("it is noted", lambda: code(ask(worker, "stream", STREAM)) == (409, "idempotency_finished"))
    assert engine.requests == before


def test_what_failed_or_was_refused_frees_the_key(worker: GatewayWorker, engine: FakeEngine) -> None:
    async def fails(exchange: Exchange) -> None:
        await exchange.answer(b'{"error":{"message":"no"}}', 500)

    engine.script = fails
    assert code(ask(worker, "fails")) == (502, "engine_error")
    engine.script = say_hello
    wait_for("it is free", lambda: ask(worker, "fails")[0] == 200)


def test_a_client_that_leaves_frees_the_key(worker: GatewayWorker, engine: FakeEngine) -> None:
    async def waits(exchange: Exchange) -> None:
        await exchange.until_client_leaves()

    engine.script = waits
    before = engine.requests
    with worker.connect() as leaver:
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {worker.key}\r\n"
        head += f"Content-Type: application/json\r\nIdempotency-Key: leaves\r\nContent-Length: {len(CHAT)}\r\n\r\n"
        leaver.sendall(head.encode() + CHAT)
        wait_for("it runs", lambda: engine.requests == before + 1)
    engine.script = say_hello
    wait_for("it is free", lambda: ask(worker, "leaves")[0] == 200)


def test_a_key_without_end_is_refused_and_none_is_none(worker: GatewayWorker, engine: FakeEngine) -> None:
    engine.script = say_hello
    before = engine.requests
    assert code(ask(worker, "k" * 256)) == (400, "invalid_value")
    assert engine.requests == before
    assert [ask(worker, "")[0] for _ in range(2)] == [200, 200]
    assert engine.requests == before + 2


def test_ten_racing_clients_of_two_workers_have_one_generation(engine: FakeEngine, tmp_path: Path) -> None:
    """Two workers of one machine, no Valkey."""
    engine.script = numbered
    first = once(GatewayWorker(tmp_path, [engine.port], name="worker-1"))
    second = once(GatewayWorker(tmp_path, [engine.port], name="worker-2"))
    second.key, second.snapshot = first.key, first.snapshot
    with first, second:
        for number in range(5):
            before = engine.requests
            found = race([first, second], f"race-{number}", 10)
            assert engine.requests == before + 1
            assert {answer[0] for answer in found} <= {200, 409}
            bodies = {answer[2] for answer in found if answer[0] == 200}
            assert len(bodies) == 1
            assert {code(answer)[1] for answer in found if answer[0] == 409} <= {"idempotency_in_progress"}
            wait_for("it is kept", lambda: ask(second, f"race-{number}")[0] == 200)  # noqa: B023
            assert {ask(each, f"race-{number}")[2] for each in (first, second)} == bodies


def test_what_a_killed_worker_had_is_undecided_for_ever(engine: FakeEngine, tmp_path: Path) -> None:
    async def waits(exchange: Exchange) -> None:
        await exchange.until_client_leaves()

    engine.script = waits
    with once(GatewayWorker(tmp_path, [engine.port])) as worker:
        before = engine.requests

        def ends_anyhow() -> None:
            with pytest.raises((OSError, http.client.HTTPException)):
                ask(worker, "dies")

        caller = threading.Thread(target=ends_anyhow)
        caller.start()
        wait_for("it runs", lambda: engine.requests == before + 1)
        assert worker.process is not None
        os.kill(worker.process.pid, signal.SIGKILL)
        worker.process.wait(10)
        caller.join()
        engine.script = say_hello
        worker.start()
        assert code(ask(worker, "dies")) in {(409, "idempotency_in_progress"), (409, "idempotency_undecided")}
        wait_for("its lease is over", lambda: code(ask(worker, "dies")) == (409, "idempotency_undecided"))
        assert engine.requests == before + 1
        assert worker.counted("forebay_idempotency_total", result="undecided") >= 1


def test_a_tenant_has_so_many_keys_and_answers_so_much_room(engine: FakeEngine, tmp_path: Path) -> None:
    engine.script = numbered
    with once(GatewayWorker(tmp_path, [engine.port]), keys=4, memory_bytes=800) as worker:
        assert [ask(worker, f"k{number}")[0] for number in range(4)] == [200] * 4
        assert code(ask(worker, "k4")) == (429, "idempotency_keys_exceeded")
        before = engine.requests
        wait_for("the oldest answer left", lambda: code_or_none(ask(worker, "k0")) == "idempotency_finished")
        assert ask(worker, "k3")[0] == 200
        assert engine.requests == before


def code_or_none(answer: Answer) -> str:
    return "" if answer[0] == 200 else code(answer)[1]


def test_a_file_that_cannot_be_used_claims_nothing(engine: FakeEngine, tmp_path: Path) -> None:
    engine.script = say_hello
    worker = once(GatewayWorker(tmp_path, [engine.port]))
    worker.state.claims.write_bytes(b"this is no database" * 1000)
    with worker:
        before = engine.requests
        assert code(ask(worker, "lost")) == (503, "idempotency_unavailable")
        assert worker.post(CHAT)[0] == 200
        assert engine.requests == before + 1
        assert worker.counted("forebay_idempotency_lost_total") == 1


def test_what_was_answered_under_other_privacy_rules_is_not_given_again(engine: FakeEngine, tmp_path: Path) -> None:
    with once(GatewayWorker(tmp_path, [engine.port])) as worker:
        gate = engine.script = Gate()
        with ThreadPoolExecutor(1) as pool:
            gate.is_open = True
            assert ask(worker, "before")[0] == 200
            gate.is_open = False
            began = pool.submit(ask, worker, "over it")
            wait_for("it runs", lambda: engine.running == 1)
            rules = PrivacyPolicy(scopes=(Scope(output=Actions("block")),))
            worker.snapshot = msgspec.structs.replace(worker.snapshot, privacy=rules)
            worker.reload()
            gate.is_open = True
            assert began.result(60)[0] == 200
        assert code(ask(worker, "before")) == (409, "idempotency_finished")
        assert code(ask(worker, "over it")) == (409, "idempotency_finished")
        assert ask(worker, "after")[0] == 200
        worker.policy(queue_calls=999).reload()
        assert ask(worker, "after")[1]["idempotent-replayed"] == "true"


def test_a_reload_turns_it_off_and_on(engine: FakeEngine, tmp_path: Path) -> None:
    engine.script = numbered
    with once(GatewayWorker(tmp_path, [engine.port])) as worker:
        first = ask(worker, "reload")[2]
        wait_for("it is kept", lambda: ask(worker, "reload")[2] == first)
        on = worker.snapshot
        worker.snapshot = msgspec.structs.replace(on, idempotency=None)
        worker.reload()
        assert ask(worker, "reload")[2] != first
        worker.snapshot = on
        worker.reload()
        assert ask(worker, "reload")[2] == first
