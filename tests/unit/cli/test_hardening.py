"""Production does not start with a key made for development, nor with code that runs before ours."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from forebay.cli.dev_key import ensure_dev_key
from forebay.cli.hardening import hardening
from forebay.config.schema import Config
from forebay.config.schema.store import Store
from forebay.security import key_store
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir


def config(environment: str) -> Config:
    return Config.model_validate(
        {"version": 1, "environment": environment, "models": {"m": {"engines": [{"kind": "embedded"}]}}}
    )


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / ".forebay")
    found.prepare()
    return found


def reasons(state: StateDir, environment: str = "production") -> list[str]:
    return [finding.rule for finding in hardening(config(environment), state, state.root)]


def test_a_fresh_state_may_start(state: StateDir) -> None:
    assert reasons(state) == []


def test_a_development_key_is_refused_in_production_alone_until_it_is_revoked_and_gone(state: StateDir) -> None:
    ensure_dev_key(state, Store(), state.root)
    assert reasons(state, "development") == reasons(state, "staging") == []
    assert reasons(state) == ["development_key"] * 2
    text = state.dev_key.read_text().strip()
    assert not any(text in finding.why for finding in hardening(config("production"), state, state.root))
    state.dev_key.unlink()
    assert reasons(state) == ["development_key"], "the key still opens"
    database = connect(state.database)
    (row,) = key_store.rows(database)
    key_store.revoke(database, row.id, time.time())
    database.close()
    assert reasons(state) == []


def test_a_file_that_runs_before_us_is_refused(state: StateDir, monkeypatch: pytest.MonkeyPatch) -> None:
    found = ((Path("/site/evil.pth"), "it runs code with every start"),)
    monkeypatch.setattr("forebay.cli.hardening.foreign_startup_files", lambda: found)
    assert reasons(state) == ["startup_file"]
    assert reasons(state, "development") == []
