"""Somebody is erased while calls run: their answers reach their clients, and are kept nowhere."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from tests.integration.gateway.scripts import Gate
from tests.integration.idempotency.test_once import Answer, ask, code, numbered, once
from tests.integration.idempotency.test_shared import pair

from forebay.config.schema import Config
from forebay.controller.erased import drop_answers
from forebay.gateway.idempotency.shared import PREFIX
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import GatewayWorker, wait_for

PLAIN = {"version": 1, "models": {"m": {"engines": [{"kind": "embedded"}]}}}


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    with FakeEngine(numbered) as running:
        yield running


def answered_over_an_erasure(worker: GatewayWorker, engine: FakeEngine, config: Config, folder: Path) -> Answer:
    """The answer of a call that began before somebody was erased, and ended after."""
    gate, found, before = Gate(), list[Answer](), engine.requests
    engine.script = gate
    caller = threading.Thread(target=lambda: found.append(ask(worker, "over")))
    caller.start()
    try:
        wait_for("it runs", lambda: engine.requests == before + 1)
        drop_answers(config, worker.state, folder)
    finally:
        gate.is_open = True
        caller.join()
    engine.script = numbered
    return found[0]


def kept_again(worker: GatewayWorker) -> None:
    """Calls of afterwards are answered again as ever."""
    first = ask(worker, "after")
    wait_for("it is kept", lambda: ask(worker, "after")[2] == first[2])


def test_an_answer_over_an_erasure_is_not_in_the_file(engine: FakeEngine, tmp_path: Path) -> None:
    with once(GatewayWorker(tmp_path / "state", [engine.port])) as worker:
        answer = answered_over_an_erasure(worker, engine, Config.model_validate(PLAIN), tmp_path)
        assert answer[0] == 200
        wait_for("it is noted", lambda: code(ask(worker, "over")) == (409, "idempotency_finished"))
        with closing(sqlite3.connect(worker.state.claims)) as database:
            assert database.execute("SELECT answer, answered_at FROM claims").fetchall() == [(None, None)]
        kept_again(worker)


def test_an_answer_over_an_erasure_is_not_in_valkey(engine: FakeEngine, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey:
        valkey.ask("SET", "{forebay}:since", "1")
        (tmp_path / "password").write_text(valkey.password)
        shared = {"kind": "external", "port": valkey.port, "password": "file:password"}
        config = Config.model_validate(PLAIN | {"valkey": shared})
        with pair(tmp_path, engine, valkey, lease_s=10.0) as (first, second):
            answer = answered_over_an_erasure(first, engine, config, tmp_path)
            assert answer[0] == 200
            wait_for("it is noted", lambda: code(ask(second, "over")) == (409, "idempotency_finished"))
            (name,) = [key for key in valkey.ask("KEYS", f"{PREFIX.decode()}*") if valkey.ask("TYPE", key) == b"hash"]
            assert set(valkey.ask("HGETALL", name)[::2]) == {b"token", b"fingerprint"}
            kept_again(second)
