"""Where a person is erased every answer that is kept goes, whoever's it is: none is kept by person."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from forebay.config.schema import Config
from forebay.controller.erased import drop_answers
from forebay.core.errors import StateError
from forebay.gateway.idempotency.local import Table
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.store.state_dir import StateDir
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import free_port


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


def test_what_cannot_be_reached_is_not_called_erased(state: StateDir, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("x")
    with pytest.raises(StateError, match="may be left"):
        drop_answers(config(free_port(), "password"), state, tmp_path)
