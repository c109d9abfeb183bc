"""Two workers of two gateways and one real Valkey: one generation, through killed workers and a killed Valkey."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from tests.integration.gateway.scripts import Gate
from tests.integration.idempotency.test_once import CHAT, Answer, ask, code, numbered, once, race
from tests.integration.limits.test_shared import LIES, Liar

from forebay.gateway.idempotency.shared import PREFIX
from forebay.gateway.limits.policy import ValkeyRef
from forebay.testing.fake_engine import Exchange, FakeEngine, say_hello
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import GatewayWorker, wait_for

Pair = tuple[GatewayWorker, GatewayWorker]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    with ValkeyServer(tmp_path_factory.mktemp("valkey")) as running:
        yield running


@pytest.fixture
def valkey(server: ValkeyServer) -> ValkeyServer:
    """Empty, and so old that it gives keys away."""
    server.ask("FLUSHALL")
    server.ask("SET", "{forebay}:since", "1")
    return server


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine(numbered) as running:
        yield running


@contextmanager
def pair(folder: Path, engine: FakeEngine, valkey: ValkeyServer, lease_s: float = 1.0) -> Iterator[Pair]:
    """Two gateways with a state directory each; a loaded machine may take seconds over one answer of Valkey."""
    ref = ValkeyRef(host="127.0.0.1", port=valkey.port, password=valkey.password, lease_s=lease_s, reply_s=10.0)
    first, second = (once(GatewayWorker(folder / name, [engine.port], places=64), valkey=ref) for name in "ab")
    second.key = first.key
    second.snapshot = msgspec.structs.replace(second.snapshot, keys=first.snapshot.keys)
    with first, second:
        yield first, second


async def waits(exchange: Exchange) -> None:
    await exchange.until_client_leaves()


def begin(worker: GatewayWorker, key: str, engine: FakeEngine) -> threading.Thread:
    """A call that runs, and ends in whatever way."""
    before = engine.requests

    def ends_anyhow() -> None:
        try:
            ask(worker, key)
        except (OSError, http.client.HTTPException):
            return

    caller = threading.Thread(target=ends_anyhow)
    caller.start()
    wait_for("it runs", lambda: engine.requests == before + 1)
    return caller


def test_ten_racing_clients_have_one_generation(engine: FakeEngine, valkey: ValkeyServer, tmp_path: Path) -> None:
    with pair(tmp_path, engine, valkey, lease_s=60.0) as (first, second):
        for number in range(5):
            before = engine.requests
            found = race([first, second], f"ten-{number}", 10)
            assert engine.requests == before + 1
            bodies = {answer[2] for answer in found if answer[0] == 200}
            assert len(bodies) == 1
            assert {code(answer) for answer in found if answer[0] != 200} <= {(409, "idempotency_in_progress")}
            wait_for("it is kept", lambda: ask(first, f"ten-{number}")[0] == 200)  # noqa: B023
            assert {ask(each, f"ten-{number}")[2] for each in (first, second)} == bodies
        assert code(ask(second, "ten-0", CHAT[:-1] + b',"n":1}')) == (422, "idempotency_mismatch")


def test_a_killed_workers_call_is_undecided_on_all_others(
    engine: FakeEngine, valkey: ValkeyServer, tmp_path: Path
) -> None:
    engine.script = waits
    with pair(tmp_path, engine, valkey) as (first, second):
        caller = begin(first, "dies", engine)
        assert code(ask(second, "dies"))[1] in {"idempotency_in_progress", "idempotency_undecided"}
        assert first.process is not None
        os.kill(first.process.pid, signal.SIGKILL)
        caller.join()
        engine.script = say_hello
        before = engine.requests
        wait_for("its lease is over", lambda: code(ask(second, "dies")) == (409, "idempotency_undecided"))
        assert engine.requests == before


def test_a_call_that_outlives_many_leases_stays_claimed(
    engine: FakeEngine, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """A lease of 3 s, renewed each second; a freeze of the whole machine may end it, but never frees the key."""
    engine.script = waits
    with pair(tmp_path, engine, valkey, lease_s=3.0) as (first, second):
        caller = begin(first, "long", engine)
        (name,) = [each for each in names(valkey) if valkey.ask("HGET", each, "lease")]
        leases = {valkey.ask("HGET", name, "lease")}

        def renewed() -> bool:
            leases.add(valkey.ask("HGET", name, "lease"))
            return len(leases) > 2

        wait_for("it is renewed twice", renewed, 60)
        assert code(ask(second, "long"))[1] in {"idempotency_in_progress", "idempotency_undecided"}
        assert engine.requests == 1
        first.__exit__(None, None, None)
        caller.join()


def names(valkey: ValkeyServer) -> list[bytes]:
    found = valkey.ask("KEYS", PREFIX.decode() + "*")
    assert isinstance(found, list)
    return [name for name in found if isinstance(name, bytes) and valkey.ask("TYPE", name) == b"hash"]


def test_a_killed_valkey_stops_claims_and_forgets_none(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as own:
        own.ask("SET", "{forebay}:since", "1")
        with pair(tmp_path, engine, own) as (first, second):
            body = ask(first, "kept")[2]
            wait_for("it is kept", lambda: ask(second, "kept")[2] == body)
            engine.script = waits
            caller = begin(first, "runs", engine)
            own.kill()
            engine.script = numbered
            before = engine.requests
            for worker in (first, second):
                lost = ask(worker, "new")
                assert code(lost) == (503, "idempotency_unavailable")
                assert int(lost[1]["retry-after"]) >= 1
                assert worker.counted("forebay_idempotency_lost_total") >= 1
                assert any("idempotency keys cannot be claimed" in str(line["message"]) for line in worker.log_lines())
            assert code(ask(second, "runs")) == code(ask(second, "kept")) == (503, "idempotency_unavailable")
            assert engine.requests == before
            assert first.post(CHAT)[0] == 200, "a call without a key needs no Valkey"
            own.start()
            wait_for("keys are claimed again", lambda: ask(second, "new")[0] == 200, 60)
            assert ask(first, "kept")[2] == ask(second, "kept")[2] == body
            after = engine.requests
            assert code(ask(second, "runs"))[1] in {"idempotency_in_progress", "idempotency_undecided"}
            assert engine.requests == after
            first.__exit__(None, None, None)
            caller.join()


def test_what_a_call_came_to_while_valkey_was_away_is_told_when_it_is_back(engine: FakeEngine, tmp_path: Path) -> None:
    async def fails_when_told(exchange: Exchange) -> None:
        import asyncio  # noqa: PLC0415

        while not told.is_set():  # noqa: ASYNC110  told from another thread
            await asyncio.sleep(0.005)
        await exchange.answer(b'{"error":{"message":"no"}}', 500)

    told = threading.Event()
    with ValkeyServer(tmp_path / "valkey") as own:
        own.ask("SET", "{forebay}:since", "1")
        with pair(tmp_path, engine, own, lease_s=60.0) as (first, second):
            engine.script = fails_when_told
            caller = begin(first, "fails", engine)
            own.kill()
            told.set()
            caller.join()
            engine.script = say_hello
            own.start()
            wait_for("the key is free", lambda: ask(second, "fails")[0] == 200, 60)


def test_a_poisoned_answer_is_not_given(engine: FakeEngine, valkey: ValkeyServer, tmp_path: Path) -> None:
    with pair(tmp_path, engine, valkey, lease_s=60.0) as (first, second):
        assert ask(first, "poison")[0] == 200
        wait_for("it is kept", lambda: ask(second, "poison")[0] == 200)
        (name,) = names(valkey)
        stored = valkey.ask("HGET", name, "answer")
        assert isinstance(stored, bytes)
        valkey.ask("HSET", name, "answer", stored.replace(b"assistant", b"assassins"))
        assert code(ask(second, "poison")) == (409, "idempotency_finished")
        assert engine.requests == 1


def test_a_valkey_that_forgot_everything_gives_nothing_away_at_once(
    engine: FakeEngine, valkey: ValkeyServer, tmp_path: Path
) -> None:
    engine.script = waits
    with pair(tmp_path, engine, valkey, lease_s=3.0) as (first, second):
        caller = begin(first, "survives", engine)
        valkey.ask("FLUSHALL")
        engine.script = say_hello
        found: list[Answer] = []

        def again() -> bool:
            found.append(ask(second, "survives"))
            return code(found[-1])[0] == 409

        wait_for("whoever has it has said so", again, 60)
        assert {code(each) for each in found[:-1]} <= {(503, "idempotency_unavailable")}
        assert engine.requests == 1
        first.__exit__(None, None, None)
        caller.join()


@pytest.mark.parametrize("lie", LIES)
def test_a_valkey_that_lies_or_is_slow_gives_no_key_away(lie: str, engine: FakeEngine, tmp_path: Path) -> None:
    liar = Liar(LIES[lie])
    ref = ValkeyRef(host="127.0.0.1", port=liar.port, password="x", reply_s=0.1, lease_s=0.5)
    try:
        with once(GatewayWorker(tmp_path, [engine.port]), valkey=ref) as worker:
            assert [code(ask(worker, "lie")) for _ in range(2)] == [(503, "idempotency_unavailable")] * 2
            assert engine.requests == 0
            assert worker.post(CHAT)[0] == 200
    finally:
        liar.close()


def test_a_call_ends_where_it_was_claimed_whatever_a_reload_says(
    engine: FakeEngine, valkey: ValkeyServer, tmp_path: Path
) -> None:
    """From the machine's file to Valkey while a call runs, and back when it has ended."""
    engine.script = gate = Gate()
    ref = ValkeyRef(host="127.0.0.1", port=valkey.port, password=valkey.password, lease_s=1.0, reply_s=10.0)
    with once(GatewayWorker(tmp_path, [engine.port])) as worker:
        caller = begin(worker, "moves", engine)
        in_file = worker.snapshot
        once(worker, valkey=ref).reload()
        gate.is_open = True
        caller.join()
        assert ask(worker, "in valkey")[0] == 200
        wait_for("it is kept there", lambda: ask(worker, "in valkey")[1].get("idempotent-replayed") == "true")
        worker.snapshot = in_file
        worker.reload()
        before = engine.requests
        wait_for("it is in the file", lambda: ask(worker, "moves")[1].get("idempotent-replayed") == "true")
        assert engine.requests == before
