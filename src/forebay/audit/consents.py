"""Who has consented to what, now: what workers ask. How it came about, and the proof of it, is on the log itself.

Persons stand here by a keyed hash of their name, as in `subjects.db`; each row names its records on the log.
"""

from __future__ import annotations

import hmac
import secrets
import sqlite3
from pathlib import Path

import msgspec

from forebay.audit.database import Database, read_only, transaction
from forebay.store.write_ahead import empty_log

SCHEMA = (
    "PRAGMA secure_delete = ON",
    "CREATE TABLE IF NOT EXISTS secret (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS forgotten (one INTEGER PRIMARY KEY CHECK (one = 1), times INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS changes (one INTEGER PRIMARY KEY CHECK (one = 1), count INTEGER NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS consents (
        person BLOB NOT NULL, purpose TEXT NOT NULL, granted INTEGER NOT NULL, at_us INTEGER NOT NULL,
        record TEXT NOT NULL, number INTEGER NOT NULL UNIQUE, PRIMARY KEY (person, purpose)
    ) STRICT""",
    "CREATE TABLE IF NOT EXISTS holds (person BLOB PRIMARY KEY) STRICT",
)
_OLD = "granted = 0 AND at_us < ? AND person NOT IN (SELECT person FROM holds)"
_SET = "INSERT OR REPLACE INTO consents VALUES (?, ?, ?, ?, ?, (SELECT coalesce(max(number), 0) + 1 FROM consents))"
_CHANGED = "UPDATE changes SET count = count + 1"
_NAME_BYTES = 16


class Consent(msgspec.Struct, frozen=True):
    """What a person said last of a purpose; `record` is the id of its records on the log."""

    purpose: str
    granted: bool
    at_us: int
    record: str


class Change(msgspec.Struct, frozen=True):
    """One person's word for one purpose, as workers follow it."""

    person: bytes
    purpose: str
    granted: bool


class Heard(msgspec.Struct, frozen=True):
    """What has changed since the last time; `whole`: somebody was forgotten, and this is everything there is."""

    secret: bytes
    changes: tuple[Change, ...]
    whole: bool


class Consents:
    """The writer's side. Raises sqlite3.Error."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with transaction(database):
            database.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_bytes(32),))
            database.execute("INSERT OR IGNORE INTO forgotten VALUES (1, 0)")
            database.execute("INSERT OR IGNORE INTO changes VALUES (1, 0)")
        self._secret = _secret_of(database)

    def put(self, who: str, said: Consent) -> None:
        """What a person says takes the place of what they said before."""
        row = (name_of(self._secret, who), said.purpose, int(said.granted), said.at_us, said.record)
        with transaction(self._database):
            self._database.execute(_SET, row)
            self._database.execute(_CHANGED)

    @property
    def changes(self) -> int:
        """How often anything has changed, ever."""
        return int(self._database.execute("SELECT count FROM changes").fetchone()[0])

    def begin_anew(self, changes: int) -> None:
        """Nobody has consented to anything, after so many changes: these are not known here."""
        self._delete("DELETE FROM consents")
        self._database.execute("UPDATE changes SET count = ?", (changes,))

    def has(self, who: str) -> bool:
        found = self._database.execute("SELECT 1 FROM consents WHERE person = ?", (name_of(self._secret, who),))
        return found.fetchone() is not None

    def forget(self, who: str) -> None:
        """What a person said is gone: for what needs a consent there is none.

        The log of writes holds it until `leave_nothing`.
        """
        self._delete("DELETE FROM consents WHERE person = ?", (name_of(self._secret, who),))

    def old(self, before_us: int) -> int:
        """How many consents were withdrawn before this time, of people who are not held."""
        query = f"SELECT count(*) FROM consents WHERE {_OLD}"  # noqa: S608  our own words alone
        (count,) = self._database.execute(query, (before_us,)).fetchone()
        return int(count)

    def expire(self, before_us: int) -> None:
        """Forget what was withdrawn before this time; a consent that stands is needed as long as it stands."""
        self._delete(f"DELETE FROM consents WHERE {_OLD}", (before_us,))  # noqa: S608

    def hold(self, who: str, *, on: bool) -> None:
        """What this person withdrew is not forgotten by its age, or is again."""
        change = "INSERT OR IGNORE INTO holds VALUES (?)" if on else "DELETE FROM holds WHERE person = ?"
        with transaction(self._database):
            self._database.execute(change, (name_of(self._secret, who),))

    def leave_nothing(self, *, wait: bool) -> None:
        """What is forgotten goes from the log of writes too. sqlite3.OperationalError, busy, while somebody reads."""
        empty_log(self._database, wait=wait)

    def close(self) -> None:
        self._database.close()

    def _delete(self, statement: str, bindings: tuple[object, ...] = ()) -> None:
        with transaction(self._database):
            self._database.execute(statement, bindings)
            self._database.execute(_CHANGED)
            self._database.execute("UPDATE forgotten SET times = times + 1")


class Follower:
    """A worker's side: everything at first, then what has changed. Raises sqlite3.Error, StateError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._version = -1
        self._number = 0
        self._forgotten = -1

    def read(self) -> Heard | None:
        """None where nothing has changed, or where nobody has said anything yet."""
        if self._database is None:
            if not self._path.exists():
                return None
            self._database = read_only(self._path)
        (version,) = self._database.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return None
        self._database.execute("BEGIN")
        try:
            heard, number, forgotten = self._heard(self._database)
        finally:
            self._database.execute("COMMIT")
        self._version, self._number, self._forgotten = int(version), number, forgotten
        return heard

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def _heard(self, database: sqlite3.Connection) -> tuple[Heard, int, int]:
        """What has changed, and how far that is: which counts once all of it has been read."""
        (forgotten,) = database.execute("SELECT times FROM forgotten").fetchone()
        whole = forgotten != self._forgotten
        query = "SELECT person, purpose, granted, number FROM consents WHERE number > ? ORDER BY number"
        rows = database.execute(query, (0 if whole else self._number,)).fetchall()
        number = rows[-1][3] if rows else 0 if whole else self._number
        changes = tuple(Change(bytes(person), purpose, bool(granted)) for person, purpose, granted, _number in rows)
        return Heard(_secret_of(database), changes, whole), number, forgotten


def said_by(path: Path, who: str) -> tuple[Consent, ...]:
    """What a person has said, by purpose. Raises StateError."""
    if not path.exists():
        return ()
    database = read_only(path)
    try:
        query = "SELECT purpose, granted, at_us, record FROM consents WHERE person = ? ORDER BY purpose"
        rows = database.execute(query, (name_of(_secret_of(database), who),)).fetchall()
    finally:
        database.close()
    return tuple(Consent(purpose, bool(granted), at_us, record) for purpose, granted, at_us, record in rows)


def name_of(secret: bytes, who: str) -> bytes:
    """A person's name as it stands here."""
    return hmac.digest(secret, who.encode(), "sha256")[:_NAME_BYTES]


def _secret_of(database: Database) -> bytes:
    return bytes(database.execute("SELECT value FROM secret").fetchone()[0])
