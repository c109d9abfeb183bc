"""Where a person is erased every answer that is kept goes, whoever's it is: none is kept by person."""

from __future__ import annotations

import os
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from forebay.config.schema import Config
from forebay.controller.erased import drop_answers, since_erasure
from forebay.core.errors import StateError
from forebay.core.proc import identify
from forebay.engines.record import UnitRecord, write_record
from forebay.gateway.idempotency.local import Table
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.snapshot import ModelRef, Snapshot, publish
from forebay.store.state_dir import StateDir
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import POLICY, free_port


def config(port: int, password: str) -> Config:
    valkey = {"kind": "external", "port": port, "password": f"file:{password}"}
    return Config.model_validate({"version": 1, "models": {"m": {"engines": [{"kind": "embedded"}]}}, "valkey": valkey})


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / "state")
    made.prepare()
    return made


def test_answers_in_valkey_are_dropped_and_what_is_no_answer_stays(state: StateDir, tmp_path: Path) -> None:
    with ValkeyServer(tmp_path / "valkey") as valkey:
        (tmp_path / "password").write_text(valkey.password)
        for number in range(1200):
            valkey.ask("SET", f"{{forebay}}:answer:{number:064x}:w", "canary")
        valkey.ask("HSET", "{forebay}:once:1", "token", "t", "answer", "canary")
        valkey.ask("SET", "{forebay}:spent", "1")
        drop_answers(config(valkey.port, "password"), state, tmp_path)
        assert valkey.ask("DBSIZE") == 2
        assert valkey.ask("HGETALL", "{forebay}:once:1") == [b"token", b"t"]


def test_answers_of_idempotency_keys_are_gone_from_the_file(state: StateDir, tmp_path: Path) -> None:
    table = Table(state.claims, IdempotencyPolicy(keep_s=60.0, answer_bytes=1000, memory_bytes=100_000, keys=10))
    plain = Config.model_validate({"version": 1, "models": {"m": {"engines": [{"kind": "embedded"}]}}})
    with closing(table), closing(sqlite3.connect(state.claims, isolation_level=None)) as database:
        row = (b"id", b"t", b"f", b"token", None, 1e12, b"canary-answer", 1.0)
        database.execute("INSERT INTO claims VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        drop_answers(plain, state, tmp_path)
        assert database.execute("SELECT id, answer FROM claims").fetchall() == [(b"id", None)]
        held = b"".join(path.read_bytes() for path in state.root.glob("claims.db*"))
    assert b"canary-answer" not in held


def test_what_a_worker_keeps_until_it_hears_of_the_erasure_is_dropped_as_well(state: StateDir, tmp_path: Path) -> None:
    """This process stands for the worker: it answers under the old version until it takes the new snapshot."""
    cache = CachePolicy(
        version="old", exact=True, single_flight=False, ttl_s=60.0, memory_bytes=1000, answer_bytes=1000
    )
    model = ModelRef(name="m", cache=cache)
    before = Snapshot(policy=POLICY, workers=("worker-1",), models=(model,), engines=(), keys=(), pepper="p")
    state.acknowledgement("worker-1").write_text(publish(before, state.snapshots))
    me = identify(os.getpid())
    assert me is not None
    record = UnitRecord(name="worker-1", digest="d", port=1, holder=me, program=me, started_at=time.time())
    write_record(state.unit("worker-1"), record)

    def work(valkey: ValkeyServer) -> None:
        deadline_s = time.monotonic() + 30
        while not state.erased.exists() and time.monotonic() < deadline_s:
            time.sleep(0.01)
        for number in range(20):
            valkey.ask("SET", f"{{forebay}}:answer:{number:064x}:w", "canary")
            time.sleep(0.01)
        state.acknowledgement("worker-1").write_text(publish(since_erasure(before, state), state.snapshots))

    with ValkeyServer(tmp_path / "valkey") as valkey, ThreadPoolExecutor() as pool:
        (tmp_path / "password").write_text(valkey.password)
        worked = pool.submit(work, valkey)
        drop_answers(config(valkey.port, "password"), state, tmp_path)
        worked.result()
        assert valkey.ask("DBSIZE") == 0


def test_what_cannot_be_reached_is_not_called_erased(state: StateDir, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    with pytest.raises(StateError, match="may be left"):
        drop_answers(config(free_port(), "password"), state, tmp_path)
