"""A key for each person: what a record says of a person can be read as long as that key is there, and never after."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import Iterable

import msgspec
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from forebay.audit.database import Database, transaction
from forebay.audit.persons import holder, person
from forebay.audit.record import Entry, Sealed
from forebay.store.write_ahead import empty_log

SCHEMA = (
    # What is deleted is overwritten, also in what SQLite still holds of a page.
    "PRAGMA secure_delete = ON",
    "CREATE TABLE IF NOT EXISTS secret (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS subjects (
        name BLOB NOT NULL, period INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, key BLOB NOT NULL,
        PRIMARY KEY (name, period)
    ) STRICT""",
    "CREATE TABLE IF NOT EXISTS holds (name BLOB PRIMARY KEY, at_us INTEGER NOT NULL) STRICT",
)
PERIOD_US = 7 * 86_400 * 1_000_000
_OLD = "period < ? AND name NOT IN (SELECT name FROM holds)"
_REMEMBERED = 4096
_NONCE_BYTES = 12


class _Key(msgspec.Struct, frozen=True):
    id: str
    cipher: AESGCM


class SubjectKeys:
    """The keys by person and week. Persons stand here by a keyed hash of their name, keys in the log by a random name.

    A key of its own for each week lets what is old go while what is new can still be read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        with transaction(database):
            database.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_bytes(32),))
        self._secret = bytes(database.execute("SELECT value FROM secret").fetchone()[0])
        self._known: OrderedDict[tuple[str, int], _Key] = OrderedDict()
        self._fresh: dict[tuple[bytes, int], tuple[str, bytes]] = {}

    def seal(self, entry: Entry) -> Sealed | None:
        """Close what of an entry is a person's. A key that is made for it lasts once `commit` has returned.

        Who is not named is the holder of the API key, whose address it then is.
        """
        personal = {name: value for name, value in (("subject", entry.subject), ("ip", entry.ip)) if value}
        if not personal:
            return None
        tenant = str(entry.facts.get("tenant", ""))
        subject = person(tenant, entry.subject or holder(str(entry.facts.get("key", ""))))
        key = self._of(subject, entry.at_us // PERIOD_US)
        nonce = os.urandom(_NONCE_BYTES)
        box = nonce + key.cipher.encrypt(nonce, orjson.dumps(personal), _bound(entry.kind, entry.id))
        return Sealed(key.id, base64.b64encode(box).decode())

    def commit(self) -> None:
        """Write the keys that were made: before the records that need them, never after."""
        if self._fresh:
            with transaction(self._database):
                rows = [(*place, identity, key) for place, (identity, key) in self._fresh.items()]
                self._database.executemany("INSERT INTO subjects VALUES (?, ?, ?, ?)", rows)
            self._fresh = {}

    def forget_fresh(self) -> None:
        """Nothing that the keys made since `commit` have sealed was kept."""
        self._fresh = {}
        self._known.clear()

    def ids_of(self, subject: str) -> tuple[str, ...]:
        """The names of a person's keys, oldest first; none where there are none, or none any more."""
        found = self._database.execute("SELECT id FROM subjects WHERE name = ? ORDER BY period", (self._name(subject),))
        return tuple(str(identity) for (identity,) in found.fetchall())

    def shred(self, subject: str) -> None:
        """Destroy a person's keys; the log of writes holds them until `leave_nothing`."""
        self._destroy("DELETE FROM subjects WHERE name = ?", (self._name(subject),))

    def destroy(self, names: Iterable[str]) -> int:
        """Destroy keys by their names; returns how many were there."""
        there = [(name,) for name in names if self._is_there(name)]
        if there:
            self._known.clear()
            with transaction(self._database):
                self._database.executemany("DELETE FROM subjects WHERE id = ?", there)
        return len(there)

    def leave_nothing(self, *, wait: bool) -> None:
        """What was destroyed goes from the log of writes too. sqlite3.OperationalError, busy, while somebody reads."""
        empty_log(self._database, wait=wait)

    def old(self, before_us: int) -> int:
        """How many keys have sealed something from before this time, of people who are not held."""
        query = f"SELECT count(*) FROM subjects WHERE {_OLD}"  # noqa: S608  our own words alone
        (count,) = self._database.execute(query, (before_us // PERIOD_US,)).fetchone()
        return int(count)

    def expire(self, before_us: int) -> None:
        """Destroy the keys that have sealed something from before this time."""
        self._destroy(f"DELETE FROM subjects WHERE {_OLD}", (before_us // PERIOD_US,))  # noqa: S608

    def hold(self, subject: str, at_us: int) -> None:
        """Nothing of this person is destroyed until they are released."""
        with transaction(self._database):
            self._database.execute("INSERT OR IGNORE INTO holds VALUES (?, ?)", (self._name(subject), at_us))

    def release(self, subject: str) -> None:
        with transaction(self._database):
            self._database.execute("DELETE FROM holds WHERE name = ?", (self._name(subject),))

    def is_held(self, subject: str) -> bool:
        found = self._database.execute("SELECT 1 FROM holds WHERE name = ?", (self._name(subject),))
        return found.fetchone() is not None

    def close(self) -> None:
        self._database.close()

    def _is_there(self, name: str) -> bool:
        return self._database.execute("SELECT 1 FROM subjects WHERE id = ?", (name,)).fetchone() is not None

    def _destroy(self, statement: str, bindings: tuple[object, ...]) -> None:
        self._known.clear()
        with transaction(self._database):
            self._database.execute(statement, bindings)

    def _of(self, subject: str, period: int) -> _Key:
        known = self._known.get((subject, period))
        if known is None:
            known = self._known[subject, period] = self._read(subject, period) or self._made(subject, period)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _read(self, subject: str, period: int) -> _Key | None:
        place = (self._name(subject), period)
        if place in self._fresh:
            identity, key = self._fresh[place]
            return _Key(identity, AESGCM(key))
        row = self._database.execute("SELECT id, key FROM subjects WHERE name = ? AND period = ?", place).fetchone()
        return None if row is None else _Key(row[0], AESGCM(bytes(row[1])))

    def _made(self, subject: str, period: int) -> _Key:
        identity, key = secrets.token_hex(8), AESGCM.generate_key(256)
        self._fresh[self._name(subject), period] = (identity, key)
        return _Key(identity, AESGCM(key))

    def _name(self, subject: str) -> bytes:
        return hmac.digest(self._secret, subject.encode(), "sha256")


class Opener:
    """Opens what was sealed, for whoever may read it."""

    def __init__(self, database: Database | None) -> None:
        self._database = database
        self._known: dict[str, AESGCM | None] = {}

    def open(self, kind: str, identity: str, sealed: Sealed) -> dict[str, str] | None:
        """What a record says of a person; None where the key is gone, or does not fit."""
        cipher = self._cipher(sealed.key)
        if cipher is None:
            return None
        try:
            box = base64.b64decode(sealed.box)
            content = cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], _bound(kind, identity))
        except (InvalidTag, ValueError):  # a record that was changed may hold anything in the place of a box
            return None
        return {str(name): str(value) for name, value in orjson.loads(content).items()}

    def _cipher(self, identity: str) -> AESGCM | None:
        if self._database is None:
            return None
        if identity not in self._known:
            row = self._database.execute("SELECT key FROM subjects WHERE id = ?", (identity,)).fetchone()
            self._known[identity] = None if row is None else AESGCM(bytes(row[0]))
        return self._known[identity]


def _bound(kind: str, identity: str) -> bytes:
    """A box belongs to its record: in another it does not open."""
    return f"{kind}\0{identity}".encode()
