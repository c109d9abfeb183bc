"""Signed notes and the checkpoints in them, as C2SP's signed-note, tlog-checkpoint and tlog-cosignature say. Pure.

A note is a text, an empty line, and lines of signatures; a checkpoint is a note whose text is the name of a log, its
size and its root. Any tool that speaks C2SP verifies what is written here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_ED25519, _COSIGNATURE = b"\x01", b"\x04"
_NAME = re.compile(r"[^\s+]{1,200}")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")
_LARGEST_BYTES = 64 * 1024
_MOST_SIGNATURES = 32


class BadNote(ValueError):
    """A text that is no note, or a signature that does not hold; says which and why."""


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log says of itself: its name, how many leaves it has, and their root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


class Signature(msgspec.Struct, frozen=True):
    """One line under a note: who signs, by name and the four bytes that name the key, and the signature."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        return f"— {self.name} {base64.b64encode(self.key_id + self.value).decode()}\n"


class Note(msgspec.Struct, frozen=True):
    """A text and its signatures, not yet verified."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return self.text + "\n" + "".join(each.line for each in self.signatures)


class Verifier(msgspec.Struct, frozen=True):
    """A public key by its name. `kind` is the algorithm's byte: a log's own signature, or a witness's."""

    name: str
    kind: bytes
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + self.kind + self.public).digest()[:4]

    def __str__(self) -> str:
        """As C2SP writes a verifier key: `name+id+key`."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(self.kind + self.public).decode()}"

    def signed_by(self, note: Note) -> int | None:
        """When a witness signed it, in seconds since the epoch, or 0 for a log's signature; None where none is good.

        Raises BadNote for a line under this very name and key that does not hold: that is no key we do not know.
        """
        for each in note.signatures:
            if (each.name, each.key_id) == (self.name, self.key_id):
                return self._verified(note.text, each.value)
        return None

    def _verified(self, text: str, value: bytes) -> int:
        signed, at = text.encode(), 0
        if self.kind == _COSIGNATURE:
            at, value = int.from_bytes(value[:8], "big"), value[8:]
            signed = b"cosignature/v1\ntime %d\n" % at + signed
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(value, signed)
        except InvalidSignature:
            raise BadNote(f"the signature of {self.name} does not hold") from None
        return at


class Signer:
    """A private key by its name."""

    def __init__(self, name: str, seed: bytes, *, witness: bool = False) -> None:
        if not _NAME.fullmatch(name):
            raise BadNote(f"{name!r} cannot be the name of a key: no white space, no +")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        kind = _COSIGNATURE if witness else _ED25519
        self.verifier = Verifier(name, kind, self._key.public_key().public_bytes_raw())

    def sign(self, text: str, at: int = 0) -> Signature:
        """Sign a text; a witness says `at` which second since the epoch."""
        verifier, signed = self.verifier, text.encode()
        if verifier.kind == _ED25519:
            return Signature(verifier.name, verifier.key_id, self._key.sign(signed))
        value = self._key.sign(b"cosignature/v1\ntime %d\n" % at + signed)
        return Signature(verifier.name, verifier.key_id, at.to_bytes(8, "big") + value)


def read_verifier(written: str) -> Verifier:
    """A verifier key as it is written. Raises BadNote."""
    name, _, rest = written.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    key = _decoded(encoded)
    if not _NAME.fullmatch(name) or len(key) != 33 or key[:1] not in (_ED25519, _COSIGNATURE):
        raise BadNote("not a verifier key: name+id+key, for Ed25519 or a witness's cosignatures")
    verifier = Verifier(name, key[:1], key[1:])
    if verifier.key_id.hex() != key_id:
        raise BadNote(f"the verifier key of {name} does not match its id")
    return verifier


def read_note(written: str) -> Note:
    """A note as it is written. Raises BadNote."""
    text, separator, under = written.rpartition("\n\n")
    if not separator or len(written) > _LARGEST_BYTES or not under.endswith("\n"):
        raise BadNote("not a signed note: a text, an empty line, signatures")
    if any(ord(char) < 0x20 and char != "\n" for char in written):
        raise BadNote("not a signed note: it holds control characters")
    lines = under[:-1].split("\n")
    if len(lines) > _MOST_SIGNATURES:
        raise BadNote("not a signed note: too many signatures")
    return Note(text + "\n", tuple(map(_signature, lines)))


def checkpoint_of(note: Note) -> Checkpoint:
    """The checkpoint that a note holds. Raises BadNote."""
    origin, *rest = note.text[:-1].split("\n")
    if len(rest) < 2 or not origin or not _SIZE.fullmatch(rest[0]):
        raise BadNote("not a checkpoint: a log's name, its size, its root")
    root = _decoded(rest[1])
    if len(root) != 32:
        raise BadNote("not a checkpoint: the root is no SHA-256 hash")
    return Checkpoint(origin, int(rest[0]), root)


def signed(checkpoint: Checkpoint, *signatures: Signature) -> Note:
    """A checkpoint as a note."""
    return Note(checkpoint.text, signatures)


def with_signatures(note: Note, more: Iterable[Signature]) -> Note:
    """The note with further signatures, each key's once."""
    known = {(each.name, each.key_id) for each in note.signatures}
    return Note(note.text, (*note.signatures, *(each for each in more if (each.name, each.key_id) not in known)))


def read_signatures(written: str) -> tuple[Signature, ...]:
    """Lines of signatures alone, as a witness answers them. Raises BadNote."""
    return tuple(_signature(line) for line in written.split("\n") if line)


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    value = _decoded(encoded)
    if dash != "—" or not _NAME.fullmatch(name) or len(value) < 5:
        raise BadNote("not a signed note: a line is no signature")
    return Signature(name, value[:4], value[4:])


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadNote("not base64 where a key, a root or a signature is expected") from None
