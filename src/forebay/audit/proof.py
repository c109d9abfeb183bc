"""Proofs of inclusion, as C2SP's tlog-proof writes them: a record can be shown to whoever has no access to the log."""

from __future__ import annotations

import base64
import binascii

import msgspec

from forebay.audit.database import Database
from forebay.audit.note import BadNote, Note, Verifier, checkpoint_of, read_note
from forebay.audit.store import head_of, subtrees
from forebay.audit.tree import includes, inclusion_path, leaf_hash

_FORMAT = "c2sp.org/tlog-proof@v1"


class Proof(msgspec.Struct, frozen=True):
    """That a leaf stands at `index` under the checkpoint in `note`."""

    index: int
    path: tuple[bytes, ...]
    note: Note

    def __str__(self) -> str:
        hashes = "".join(f"{base64.b64encode(each).decode()}\n" for each in self.path)
        return f"{_FORMAT}\nindex {self.index}\n{hashes}\n{self.note}"


def prove(database: Database, index: int) -> Proof:
    """The proof of the record at `index` under the newest checkpoint. Raises ValueError for one that is not there."""
    note = head_of(database)
    if note is None:
        raise ValueError("the log is empty")
    path = inclusion_path(index, checkpoint_of(note).size, subtrees(database))
    return Proof(index, tuple(path), note)


def read_proof(written: str) -> Proof:
    """A proof as it is written. Raises BadNote."""
    head, _, note = written.partition("\n\n")
    lines = head.split("\n")
    if len(lines) < 2 or lines[0] != _FORMAT or not lines[1].startswith("index ") or not lines[1][6:].isdecimal():
        raise BadNote("not a proof: see c2sp.org/tlog-proof")
    try:
        path = tuple(base64.b64decode(line, validate=True) for line in lines[2:])
    except (binascii.Error, ValueError):
        raise BadNote("not a proof: a line is no hash") from None
    return Proof(int(lines[1][6:]), path, read_note(note))


def proves(proof: Proof, leaf: bytes, log: Verifier) -> bool:
    """Whether `leaf`, byte for byte, is in the log whose key this is. Raises BadNote where the signature is false."""
    checkpoint = checkpoint_of(proof.note)
    if log.signed_by(proof.note) is None or checkpoint.origin != log.name:
        return False
    return includes(leaf_hash(leaf), proof.index, checkpoint.size, proof.path, checkpoint.root)
