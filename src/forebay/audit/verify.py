"""Whether a log is what its checkpoints say: its own, those of a witness, those that were kept elsewhere. Offline."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec

from forebay.audit.database import read_only
from forebay.audit.note import BadNote, Note, Verifier, checkpoint_of
from forebay.audit.store import checkpoints_of, head_of, leaves_of
from forebay.audit.tree import TILE_LEVELS, Frontier, Node, leaf_hash
from forebay.messages import _, ngettext


class Fault(msgspec.Struct, frozen=True):
    """Something that is not as it was signed, in the records from `start` up to `end`.

    `kind`: `signature`, `changed` (edited, inserted or reordered), `missing`, `truncated`, `unsigned` (records behind
    the newest checkpoint), `fork` (two histories, both signed).
    """

    kind: str
    start: int
    end: int
    why: str


class Witnessed(msgspec.Struct, frozen=True):
    """A witness's word for the log up to `size`; `at` is in seconds since the epoch."""

    name: str
    size: int
    at: int


class Verdict(msgspec.Struct, frozen=True):
    """What was found. `checkpoints` are how many agree with the records, `elsewhere` those kept elsewhere of them."""

    origin: str
    records: int
    root: str
    checkpoints: int
    elsewhere: int
    witnessed: tuple[Witnessed, ...]
    faults: tuple[Fault, ...]


class Trust(msgspec.Struct, frozen=True):
    """What is believed beforehand: the log's key, witnesses' keys, and checkpoints from elsewhere."""

    log: Verifier
    witnesses: tuple[Verifier, ...] = ()
    elsewhere: tuple[Note, ...] = ()


def verify(path: Path, trust: Trust, witnessed: Iterable[Note] = ()) -> Verdict:
    """Read the whole log at `path` and compare it with every checkpoint. Raises StateError where it is unreadable."""
    database = read_only(path)
    try:
        database.execute("BEGIN")  # one moment of a log that may be growing
        return _verified(database, trust, witnessed)
    finally:
        database.close()


def _verified(database: sqlite3.Connection, trust: Trust, witnessed: Iterable[Note]) -> Verdict:
    faults: list[Fault] = []
    head = _head(database, faults)
    own = [note for note in (*_kept(database, faults), head, *witnessed) if note is not None]
    good = [note for note in own if _holds(note, trust.log, faults)]
    abroad = [note for note in trust.elsewhere if _holds(note, trust.log, faults)]
    sizes = {checkpoint_of(note).size for note in (*good, *abroad)}
    scan = _Scan(sizes)
    scan.read(database, faults)
    agreed = _compare(good, scan, faults)
    _tail(head, scan.size, faults)
    elsewhere = _compare_elsewhere(abroad, scan, sound=not faults, faults=faults)
    words = [word for note in (*good, *abroad) for word in _witnesses(note, trust, faults)]
    return Verdict(
        trust.log.name, scan.size, scan.root.hex(), agreed + elsewhere, elsewhere, tuple(words), tuple(faults)
    )


class _Scan:
    """One pass over the records: the root at every size that a checkpoint names."""

    def __init__(self, sizes: Iterable[int]) -> None:
        self._wanted = set(sizes)
        self.roots: dict[int, bytes] = {}
        self.size = 0
        self.root = b""
        self.bad_tiles: list[int] = []

    def read(self, database: sqlite3.Connection, faults: list[Fault]) -> None:
        tiles = dict(database.execute("SELECT position, hash FROM tiles WHERE level = ?", (TILE_LEVELS,)).fetchall())
        frontier, expected = Frontier(), 0
        self._note(frontier)
        for kept in leaves_of(database):
            if kept.position != expected:
                why = _("the records {start} to {end} are gone").format(start=expected, end=kept.position - 1)
                faults.append(Fault("missing", expected, kept.position, why))
            expected = kept.position + 1
            self._compare_tiles(frontier.append(leaf_hash(kept.leaf)), tiles)
            self._note(frontier)
        self.size, self.root = frontier.size, frontier.root()

    def _note(self, frontier: Frontier) -> None:
        if frontier.size in self._wanted:
            self.roots[frontier.size] = frontier.root()

    def _compare_tiles(self, complete: list[Node], tiles: dict[int, bytes]) -> None:
        for node in complete:
            if node.level == TILE_LEVELS and tiles.get(node.place) != node.hash:
                self.bad_tiles.append(node.place)


def _compare(notes: list[Note], scan: _Scan, faults: list[Fault]) -> int:
    """How many of the log's own checkpoints agree; the first that does not says where to look."""
    agreed = before = 0
    for checkpoint in sorted(map(checkpoint_of, notes), key=lambda each: each.size):
        if checkpoint.size > scan.size:
            continue
        if scan.roots[checkpoint.size] != checkpoint.root:
            start, end = _narrowed(before, checkpoint.size, scan.bad_tiles)
            why = _("the records {start} to {end} are not those that were signed").format(start=start, end=end - 1)
            faults.append(Fault("changed", start, end, why))
            return agreed
        agreed, before = agreed + 1, checkpoint.size
    return agreed


def _compare_elsewhere(notes: list[Note], scan: _Scan, *, sound: bool, faults: list[Fault]) -> int:
    """How many of the checkpoints kept elsewhere agree with a log that by itself is `sound`."""
    agreed = 0
    for checkpoint in map(checkpoint_of, notes):
        if checkpoint.size > scan.size:
            why = _("a checkpoint kept elsewhere counts {size} records, the log has {records}").format(
                size=checkpoint.size, records=scan.size
            )
            faults.append(Fault("truncated", scan.size, checkpoint.size, why))
        elif scan.roots[checkpoint.size] != checkpoint.root:
            why = _("the first {size} records are not those of a checkpoint kept elsewhere").format(
                size=checkpoint.size
            )
            faults.append(Fault("fork" if sound else "changed", 0, checkpoint.size, why))
        else:
            agreed += 1
    return agreed


def _tail(head: Note | None, records: int, faults: list[Fault]) -> None:
    size = 0 if head is None else checkpoint_of(head).size
    if size > records:
        why = _("the newest checkpoint counts {size} records, the log has {records}").format(size=size, records=records)
        faults.append(Fault("truncated", records, size, why))
    elif size < records:
        why = ngettext(
            "{count} record is behind the newest checkpoint: nobody signed it",
            "{count} records are behind the newest checkpoint: nobody signed them",
            records - size,
        ).format(count=records - size)
        faults.append(Fault("unsigned", size, records, why))


def _head(database: sqlite3.Connection, faults: list[Fault]) -> Note | None:
    try:
        head = head_of(database)
        if head is not None:
            checkpoint_of(head)
    except BadNote as error:
        faults.append(Fault("signature", 0, 0, str(error)))
        return None
    return head


def _kept(database: sqlite3.Connection, faults: list[Fault]) -> list[Note]:
    try:
        notes = checkpoints_of(database)
        for note in notes:
            checkpoint_of(note)
    except BadNote as error:
        faults.append(Fault("signature", 0, 0, str(error)))
        return []
    return notes


def _holds(note: Note, log: Verifier, faults: list[Fault]) -> bool:
    """Whether a checkpoint is this log's: its name, and its signature."""
    checkpoint = checkpoint_of(note)
    try:
        signed = log.signed_by(note) is not None
    except BadNote:
        signed = False
    if signed and checkpoint.origin == log.name:
        return True
    why = _("the checkpoint of {size} records is not signed by {name}").format(size=checkpoint.size, name=log.name)
    faults.append(Fault("signature", 0, checkpoint.size, why))
    return False


def _witnesses(note: Note, trust: Trust, faults: list[Fault]) -> Iterable[Witnessed]:
    size = checkpoint_of(note).size
    for witness in trust.witnesses:
        try:
            at = witness.signed_by(note)
        except BadNote as error:
            faults.append(Fault("signature", 0, size, str(error)))
            continue
        if at is not None:
            yield Witnessed(witness.name, size, at)


def _narrowed(start: int, end: int, bad_tiles: list[int]) -> tuple[int, int]:
    """The part of a range that the kept hashes, if nobody changed them too, say is wrong."""
    width = 1 << TILE_LEVELS
    within = [place for place in bad_tiles if start < (place + 1) * width and place * width < end]
    if not within:
        return start, end
    return max(start, within[0] * width), min(end, (within[0] + 1) * width)
