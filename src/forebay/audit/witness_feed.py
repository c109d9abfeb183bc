"""Brings what the log says of itself to its witnesses, beside the writer and never in its way."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from forebay.audit.database import read_only
from forebay.audit.note import BadNote, Note, Verifier, checkpoint_of, read_note, read_signatures, with_signatures
from forebay.audit.store import head_of, subtrees
from forebay.audit.tree import consistency_path
from forebay.audit.witness import SIZE_TYPE, request
from forebay.core.errors import StateError
from forebay.core.files import write_atomically

WITNESSED = "witnessed"
"""Files beside the log, one a witness: the newest checkpoint that it has signed."""
_TIMEOUT_S = 10.0
_ANSWER_BYTES = 64 * 1024

Say = Callable[..., None]


class Asked(msgspec.Struct, frozen=True):
    """A witness: where it is, the key it signs with, and how often it is asked."""

    url: str
    key: Verifier
    every_s: float


class Refused(Exception):
    """The witness does not sign; `alarming` where that means that the log is not the one that it has seen."""

    def __init__(self, why: str, *, alarming: bool) -> None:
        super().__init__(why)
        self.alarming = alarming


class Feed(threading.Thread):
    """One witness's. It reads the log by a connection of its own."""

    def __init__(self, log: Path, asked: Asked, say: Say) -> None:
        super().__init__(name=f"witness {asked.url}", daemon=True)
        self._log = log
        self._asked = asked
        self._say = say
        self._stopping = threading.Event()
        self._told = ""

    def run(self) -> None:
        while not self._stopping.is_set():
            self._try()
            self._stopping.wait(self._asked.every_s)

    def stop(self) -> None:
        self._stopping.set()

    def _try(self) -> None:
        try:
            ask(self._log, self._asked)
        except Refused as refused:
            self._tell("error" if refused.alarming else "warning", str(refused))
        except (OSError, http.client.HTTPException, BadNote, StateError) as error:
            self._tell("warning", f"the witness cannot be asked: {error}")
        else:
            self._tell("info", "the witness has signed")

    def _tell(self, level: str, text: str) -> None:
        """Once for as long as it stays so."""
        if text != self._told:
            self._told = text
            self._say(level, text, time.time(), witness=self._asked.key.name)


def ask(log: Path, asked: Asked) -> Note | None:
    """Have the newest checkpoint signed and keep it; None where the log is empty. Raises Refused, OSError, BadNote."""
    database = read_only(log)
    try:
        head = head_of(database)
        if head is None:
            return None
        path = log.with_name(f"{WITNESSED}-{asked.key.key_id.hex()}")
        old = _size_in(path, asked.key)
        size = checkpoint_of(head).size
        if old > size:
            raise _cut(old, size)
        status, body, kind = _post(asked.url, request(old, consistency_path(old, size, subtrees(database)), head))
        if status == http.client.CONFLICT and kind == SIZE_TYPE and body.strip().isdecimal():
            old = _sensible(int(body), size, old)
            status, body, kind = _post(asked.url, request(old, consistency_path(old, size, subtrees(database)), head))
    finally:
        database.close()
    if status != http.client.OK:
        alarming = status in (http.client.CONFLICT, http.client.UNPROCESSABLE_ENTITY)
        raise Refused(f"the witness does not sign ({status}): {body.strip()[:200]}", alarming=alarming)
    note = with_signatures(head, read_signatures(body))
    if asked.key.signed_by(note) is None:
        raise Refused("the witness has signed with another key than the configured one", alarming=False)
    write_atomically(path, str(note).encode())
    return note


def _sensible(seen: int, size: int, old: int) -> int:
    if seen > size:
        raise _cut(seen, size)
    if seen == old:
        raise Refused("the witness has seen other records than the log has", alarming=True)
    return seen


def _cut(seen: int, size: int) -> Refused:
    why = f"the witness has seen {seen} records, the log has {size}: it was cut or taken back to an older state"
    return Refused(why, alarming=True)


def _size_in(path: Path, key: Verifier) -> int:
    """The size that the witness has signed last, as far as we know."""
    try:
        note = read_note(path.read_text())
        return 0 if key.signed_by(note) is None else checkpoint_of(note).size
    except (OSError, BadNote):
        return 0


def _post(url: str, body: bytes) -> tuple[int, str, str]:
    parts = urlsplit(url)
    made = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = made(parts.hostname or "", parts.port, timeout=_TIMEOUT_S)
    try:
        connection.request("POST", f"{parts.path.rstrip('/')}/add-checkpoint", body)
        answer = connection.getresponse()
        return answer.status, answer.read(_ANSWER_BYTES).decode(errors="replace"), answer.headers.get_content_type()
    finally:
        connection.close()
