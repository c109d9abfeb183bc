"""SQLite's log of writes, which still holds each page as it was before something on it was deleted."""

from __future__ import annotations

import sqlite3
from typing import Any, Protocol


class Executes(Protocol):
    """What is needed of a connection."""

    def execute(self, statement: str, /) -> Any: ...


def empty_log(database: Executes, *, wait: bool = True) -> None:
    """Bring the log of writes into the file, and leave none of it.

    Raises sqlite3.OperationalError where somebody reads for longer than the connection waits, and without `wait` where
    somebody reads now: SQLite itself does not.
    """
    if wait:
        _empty(database)
        return
    (patience_ms,) = database.execute("PRAGMA busy_timeout").fetchone()
    database.execute("PRAGMA busy_timeout = 0")
    try:
        _empty(database)
    finally:
        database.execute(f"PRAGMA busy_timeout = {patience_ms:d}")


def _empty(database: Executes) -> None:
    (busy, _pages, _brought) = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        error = sqlite3.OperationalError("somebody reads what was deleted; ask again")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_BUSY, "SQLITE_BUSY"
        raise error
