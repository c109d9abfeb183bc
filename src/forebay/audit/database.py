"""Opens the databases of the audit log: what is committed there has reached the disk."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from forebay.core.errors import StateError

# WAL with synchronous=NORMAL lost acknowledged rows in every simulated power cut.
# Bringing that log of writes into the database takes two more syncs, for which everybody waits: at 1,000 calls a second
# 1,000 pages, as it comes, are full four times a second, and these seldom enough to leave the P99 alone.
DURABLE = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA wal_autocheckpoint = 8000")


class Database(Protocol):
    """What is needed of a connection, so that tests can bring one whose disk fails."""

    def execute(self, statement: str, bindings: Any = ..., /) -> Any: ...
    def executemany(self, statement: str, bindings: Iterable[Any], /) -> Any: ...
    def close(self) -> None: ...


def opened(path: Path, schema: Iterable[str]) -> sqlite3.Connection:
    """Open for writing, created where it is missing. Raises StateError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        database = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        prepared(database, schema)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, error) from error
    return database


def prepared(database: Database, schema: Iterable[str]) -> None:
    """Make a connection durable, and its tables."""
    for statement in (*DURABLE, *schema):
        database.execute(statement)


def read_only(path: Path) -> sqlite3.Connection:
    """Open for reading, beside a writer if there is one. Raises StateError."""
    try:
        database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5.0, isolation_level=None)
        database.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    return database


@contextmanager
def transaction(database: Database) -> Iterator[None]:
    """All statements inside commit together, or none does."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        _roll_back(database)
        raise


def _roll_back(database: Database) -> None:
    with contextlib.suppress(Exception):  # SQLite rolls back by itself after some errors; the first error is told
        database.execute("ROLLBACK")


def _unusable(path: Path, error: Exception) -> StateError:
    return StateError(
        "the audit log's database cannot be opened",
        where=str(path),
        fix="Check its owner and the disk; a damaged one is told apart by `forebay audit verify`",
        detail=str(error),
    )
