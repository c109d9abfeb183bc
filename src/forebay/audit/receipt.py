"""Receipts of erasures: a note that the log's key signs, for whoever asked to be forgotten. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from forebay.audit.note import BadNote, Note, Signer, Verifier

_TITLE = "forebay erasure receipt v1"


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What was done for whom. `record` is where the log says so; `stores` tells of each place, a line each."""

    log: str
    record: int
    at: str
    tenant: str
    subject: str
    keys: int
    stores: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        fields = ("log", "record", "at", "tenant", "subject", "keys")
        lines = [_TITLE, *(f"{name} {_plain(str(getattr(self, name)))}" for name in fields), *map(_plain, self.stores)]
        return "\n".join(lines) + "\n"


def receipt(erased: Erased, signer: Signer) -> Note:
    """The receipt, signed."""
    return Note(erased.text, (signer.sign(erased.text),))


def check(note: Note, log: Verifier) -> list[str]:
    """The lines of a receipt that this log has signed. Raises BadNote for one that it has not."""
    lines = note.text.rstrip("\n").split("\n")
    if lines[0] != _TITLE:
        raise BadNote("not a receipt of an erasure")
    if log.signed_by(note) is None:
        raise BadNote(f"the receipt is not signed by {log.name}")
    return lines[1:]


def _plain(text: str) -> str:
    """One line of it, whatever a name holds."""
    return "".join(char if char.isprintable() else "?" for char in text)


def lines_of(stores: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    """What is said of each store."""
    return tuple(f"{name}: {what}" for name, what in stores)
