"""A key for each person: what a record says of a person can be read as long as that key is there, and never after."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from collections import OrderedDict

import msgspec
import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from forebay.audit.database import Database, transaction
from forebay.audit.record import Entry, Sealed

SCHEMA = (
    # What is deleted is overwritten, also in what SQLite still holds of a page.
    "PRAGMA secure_delete = ON",
    "CREATE TABLE IF NOT EXISTS secret (one INTEGER PRIMARY KEY CHECK (one = 1), value BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS subjects (name BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, key BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS shredded (id TEXT PRIMARY KEY, at_us INTEGER NOT NULL) STRICT",
)
_REMEMBERED = 4096
_NONCE_BYTES = 12


class _Key(msgspec.Struct, frozen=True):
    id: str
    cipher: AESGCM


class SubjectKeys:
    """The keys by person. Persons stand here by a keyed hash of their name, keys in the log by a random name."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with transaction(database):
            database.execute("INSERT OR IGNORE INTO secret VALUES (1, ?)", (secrets.token_bytes(32),))
        self._secret = bytes(database.execute("SELECT value FROM secret").fetchone()[0])
        self._known: OrderedDict[str, _Key] = OrderedDict()
        self._fresh: dict[bytes, tuple[str, bytes]] = {}

    def seal(self, entry: Entry) -> Sealed | None:
        """Close what of an entry is a person's. A key that is made for it lasts once `commit` has returned.

        Who is not named is the holder of the API key, whose address it then is.
        """
        personal = {name: value for name, value in (("subject", entry.subject), ("ip", entry.ip)) if value}
        if not personal:
            return None
        tenant = str(entry.facts.get("tenant", ""))
        key = self._of(person(tenant, entry.subject or holder(str(entry.facts.get("key", "")))))
        nonce = os.urandom(_NONCE_BYTES)
        box = nonce + key.cipher.encrypt(nonce, orjson.dumps(personal), _bound(entry.kind, entry.id))
        return Sealed(key.id, base64.b64encode(box).decode())

    def commit(self) -> None:
        """Write the keys that were made: before the records that need them, never after."""
        if self._fresh:
            with transaction(self._database):
                rows = [(name, identity, key) for name, (identity, key) in self._fresh.items()]
                self._database.executemany("INSERT INTO subjects VALUES (?, ?, ?)", rows)
            self._fresh = {}

    def forget_fresh(self) -> None:
        """Nothing that the keys made since `commit` have sealed was kept."""
        self._fresh = {}
        self._known.clear()

    def id_of(self, subject: str) -> str | None:
        """The name of a person's key; None where there is none, or none any more."""
        row = self._database.execute("SELECT id FROM subjects WHERE name = ?", (self._name(subject),)).fetchone()
        return None if row is None else str(row[0])

    def shred(self, subject: str, at_us: int) -> str | None:
        """Destroy a person's key; returns the name it had, None where there is none."""
        self._known.clear()
        identity = self.id_of(subject)
        if identity is not None:
            self.shred_id(identity, at_us)
        return identity

    def shred_id(self, identity: str, at_us: int) -> None:
        """Destroy a key by its name: after a backup was restored, those of earlier erasures once more."""
        self._known.clear()
        with transaction(self._database):
            self._database.execute("DELETE FROM subjects WHERE id = ?", (identity,))
            self._database.execute("INSERT OR IGNORE INTO shredded VALUES (?, ?)", (identity, at_us))
        self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # the log of writes still held the page as it was

    def close(self) -> None:
        self._database.close()

    def _of(self, subject: str) -> _Key:
        known = self._known.get(subject)
        if known is None:
            known = self._known[subject] = self._read(subject) or self._made(subject)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return known

    def _read(self, subject: str) -> _Key | None:
        name = self._name(subject)
        if name in self._fresh:
            identity, key = self._fresh[name]
            return _Key(identity, AESGCM(key))
        row = self._database.execute("SELECT id, key FROM subjects WHERE name = ?", (name,)).fetchone()
        return None if row is None else _Key(row[0], AESGCM(bytes(row[1])))

    def _made(self, subject: str) -> _Key:
        identity, key = secrets.token_hex(8), AESGCM.generate_key(256)
        self._fresh[self._name(subject)] = (identity, key)
        return _Key(identity, AESGCM(key))

    def _name(self, subject: str) -> bytes:
        return hmac.digest(self._secret, subject.encode(), "sha256")


def person(tenant: str, subject: str) -> str:
    """A subject as keys are kept for it: two tenants may mean different people by one name."""
    return f"{tenant}/{subject}"


def holder(key_id: str) -> str:
    """The person that an API key stands for where a call names nobody else."""
    return f"key:{key_id}"


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
        box = base64.b64decode(sealed.box)
        try:
            content = cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], _bound(kind, identity))
        except InvalidTag:
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
