"""The state database: durable, migrated once, and honest about what it cannot open."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from forebay.core.errors import StateError
from forebay.store.sqlite import SCHEMA_VERSION, connect, data_version, transaction


def add_intent(database: sqlite3.Connection, engine: str) -> None:
    database.execute("INSERT INTO intents VALUES (?, 'drain', 1.0)", (engine,))


def test_a_new_database_is_durable_private_and_of_the_newest_version(tmp_path: Path) -> None:
    database = connect(tmp_path / "state.db")
    assert database.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
    assert database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert database.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert (tmp_path / "state.db").stat().st_mode & 0o777 == 0o600
    database.close()


def test_another_connections_commit_changes_the_data_version(tmp_path: Path) -> None:
    ours, theirs = connect(tmp_path / "state.db"), connect(tmp_path / "state.db")
    before = data_version(ours)
    add_intent(theirs, "a")
    assert data_version(ours) != before
    ours.close()
    theirs.close()


def test_a_transaction_that_raises_leaves_nothing(tmp_path: Path) -> None:
    database = connect(tmp_path / "state.db")

    def add_and_fail() -> None:
        with transaction(database):
            add_intent(database, "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        add_and_fail()
    assert database.execute("SELECT * FROM intents").fetchall() == []
    database.close()


def test_a_database_of_a_newer_forebay_is_refused_and_left_alone(tmp_path: Path) -> None:
    database = connect(tmp_path / "state.db")
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(StateError, match="version 99"):
        connect(tmp_path / "state.db")


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"not a database" * 100)
    with pytest.raises(StateError, match=r"state\.db"):
        connect(tmp_path / "state.db")
