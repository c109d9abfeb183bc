"""A witness: it signs a checkpoint only where a proof shows that the log has grown from the one it signed before.

C2SP's tlog-witness. It keeps its own state, away from the log: whoever rewrites the log cannot rewrite what the witness
has seen, and two histories never both get its signature.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from forebay.audit.note import BadNote, Note, Signer, Verifier, checkpoint_of, read_note
from forebay.audit.tree import extends
from forebay.core.files import write_atomically

SIZE_TYPE = "text/x.tlog.size"
_MOST_HASHES = 63


class Reply(msgspec.Struct, frozen=True):
    """A status of HTTP, and what goes with it."""

    status: int
    body: str = ""
    content_type: str = "text/plain; charset=utf-8"


class Witness:
    """Signs for the logs whose keys it was given."""

    def __init__(self, folder: Path, signer: Signer, logs: Iterable[Verifier], now: Callable[[], float]) -> None:
        self._folder = folder
        self._signer = signer
        self._logs = {log.name: log for log in logs}
        self._now = now
        self._lock = threading.Lock()

    def add_checkpoint(self, body: bytes) -> Reply:
        """Answer one request; the new state is on the disk before the signature is given."""
        try:
            old, path, note = _read(body)
            checkpoint = checkpoint_of(note)
            log = self._logs.get(checkpoint.origin)
            if log is None:
                return Reply(404, "this log is not known here\n")
            if log.signed_by(note) is None:
                return Reply(403, "not signed by the log\n")
        except BadNote as error:
            return Reply(403 if "does not hold" in str(error) else 400, f"{error}\n")
        with self._lock:
            return self._extend(note, old, path)

    def _extend(self, note: Note, old: int, path: list[bytes]) -> Reply:
        checkpoint = checkpoint_of(note)
        file = self._folder / f"{hashlib.sha256(checkpoint.origin.encode()).hexdigest()[:32]}.checkpoint"
        known = checkpoint_of(read_note(file.read_text())) if file.exists() else None
        size, root = (known.size, known.root) if known is not None else (0, hashlib.sha256(b"").digest())
        if old > checkpoint.size:
            return Reply(400, "the old size is larger than the checkpoint's\n")
        if old != size:
            return Reply(409, f"{size}\n", SIZE_TYPE)
        if old == checkpoint.size and root != checkpoint.root:
            return Reply(409, f"{size}\n", SIZE_TYPE)
        if not extends(old, checkpoint.size, root, checkpoint.root, path):
            return Reply(422, "the proof does not show that the log has only grown\n")
        write_atomically(file, str(note).encode())
        return Reply(200, self._signer.sign(note.text, int(self._now())).line)


def request(old: int, path: list[bytes], note: Note) -> bytes:
    """What a witness is asked."""
    hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in path)
    return f"old {old}\n{hashes}\n{note}".encode()


def _read(body: bytes) -> tuple[int, list[bytes], Note]:
    try:
        head, separator, note = body.decode().partition("\n\n")
        first, *rest = head.split("\n")
        path = [base64.b64decode(line, validate=True) for line in rest]
    except (UnicodeDecodeError, binascii.Error, ValueError):
        raise BadNote("not a request to a witness: see c2sp.org/tlog-witness") from None
    word, _, old = first.partition(" ")
    if word != "old" or not old.isdecimal() or len(old) > 19 or not separator or len(path) > _MOST_HASHES:
        raise BadNote("not a request to a witness: see c2sp.org/tlog-witness")
    return int(old), path, read_note(note)
