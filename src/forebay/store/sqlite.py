"""Opens state.db: keys and intents that must survive a power cut."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from forebay.core.errors import StateError
from forebay.store.write_ahead import empty_log

# One entry a version: what turns the schema before it into this one. Append, never edit.
_MIGRATIONS = (
    (
        """CREATE TABLE keys (
            id TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, tenant TEXT NOT NULL, scopes TEXT NOT NULL,
            created_at REAL NOT NULL, expires_at REAL, revoked_at REAL, name TEXT NOT NULL DEFAULT ''
        ) STRICT""",
        "CREATE TABLE intents (engine TEXT PRIMARY KEY, intent TEXT NOT NULL, requested_at REAL NOT NULL) STRICT",
    ),
    (
        "ALTER TABLE keys ADD COLUMN not_before REAL",
        "ALTER TABLE keys ADD COLUMN networks TEXT NOT NULL DEFAULT '[]'",
        """CREATE TABLE revoked (
            what TEXT PRIMARY KEY, issuer TEXT NOT NULL, kind TEXT NOT NULL, revoked_at REAL NOT NULL,
            until REAL NOT NULL
        ) STRICT""",
    ),
    ("ALTER TABLE keys ADD COLUMN suspended TEXT",),
)
SCHEMA_VERSION = len(_MIGRATIONS)


class StateDatabase(sqlite3.Connection):
    """A connection to state.db; statements commit one by one but inside `transaction`."""

    def transaction(self) -> transaction:
        return transaction(self)


def connect(path: Path) -> StateDatabase:
    """Open `path`, creating and migrating it.

    Raises StateError where the file is damaged, unreadable or of a newer forebay.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        return _opened(path)
    except (OSError, sqlite3.Error) as error:
        raise StateError(
            "the state database cannot be opened",
            where=str(path),
            fix="Check its owner and the disk; restore it from a backup if it is damaged",
            detail=str(error),
        ) from error


def leave_nothing(path: Path) -> None:
    """What was deleted or written over goes from the log of writes as well. Raises StateError while somebody reads."""
    database = connect(path)
    try:
        empty_log(database)
    except sqlite3.Error as error:
        raise StateError(
            "what is erased can be in the log of writes still: somebody reads the database",
            where=str(path),
            fix="Erase again once backups and other readers have ended",
            code="erasure_unfinished",
            detail=str(error),
        ) from error
    finally:
        database.close()


class transaction:  # noqa: N801  reads as a statement: `with transaction(db):`
    """All statements inside commit together, or none does; takes the write lock at once, so that reads stay true."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    def __enter__(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database

    def __exit__(self, kind: object, value: object, trace: object) -> None:
        self._database.execute("COMMIT" if kind is None else "ROLLBACK")


def data_version(database: sqlite3.Connection) -> int:
    """A number that changes when another connection has committed; cheap enough to poll."""
    (version,) = database.execute("PRAGMA data_version").fetchone()
    return int(version)


def _opened(path: Path) -> StateDatabase:
    database = sqlite3.connect(path, timeout=5.0, isolation_level=None, factory=StateDatabase)
    try:
        database.row_factory = sqlite3.Row
        # WAL with synchronous=NORMAL lost acknowledged rows in every simulated power cut: a revoked key must stay so.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute("PRAGMA secure_delete = ON")  # the name of a key may be its holder's, who may be erased
        _migrate(database, path)
    except (sqlite3.Error, StateError):
        database.close()
        raise
    return database


def _migrate(database: sqlite3.Connection, path: Path) -> None:
    if _version(database) == SCHEMA_VERSION:
        return
    with transaction(database):  # two processes may open a new file at once: the second one waits and finds it done
        found = _version(database)
        if found > SCHEMA_VERSION:
            raise StateError(
                f"the state database has version {found}, this forebay knows {SCHEMA_VERSION}",
                where=str(path),
                fix="Use the forebay that wrote it, or a newer one",
            )
        for statements in _MIGRATIONS[found:]:
            for statement in statements:
                database.execute(statement)
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _version(database: sqlite3.Connection) -> int:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    return int(version)
