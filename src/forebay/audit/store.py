"""The log at rest: leaves, the hashes of every eighth level, the newest checkpoint, and some of those before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from forebay.audit.database import Database, transaction
from forebay.audit.note import Checkpoint, Note, checkpoint_of, read_note
from forebay.audit.tree import TILE_LEVELS, Node, Subtree, frontier_of, leaf_hash, node_hash
from forebay.core.errors import StateError

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS leaves (position INTEGER PRIMARY KEY, leaf BLOB NOT NULL) STRICT",
    """CREATE TABLE IF NOT EXISTS tiles (
        level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, position)
    ) STRICT, WITHOUT ROWID""",
    "CREATE TABLE IF NOT EXISTS head (one INTEGER PRIMARY KEY CHECK (one = 1), note TEXT NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL) STRICT",
)
_PAGE = 4096

SignCheckpoint = Callable[[Checkpoint], Note]


class Log:
    """One log, open for appending. There must be no other: its recorder holds a lock."""

    def __init__(self, database: Database, origin: str) -> None:
        self.origin = origin
        self._database = database
        size = size_of(database)
        head = head_of(database)
        self._frontier = frontier_of(size, subtrees(database))
        found = Checkpoint(origin, size, self._frontier.root())
        if (size or head is not None) and (head is None or checkpoint_of(head) != found):
            raise StateError(
                "the audit log is not what its newest checkpoint says: nothing is added to it",
                fix="`forebay audit verify` tells what was changed; move the folder away to begin a new log",
                code="audit_damaged",
            )

    @property
    def size(self) -> int:
        return self._frontier.size

    def append(self, leaves: Sequence[bytes], sign: SignCheckpoint, *, keep: bool = False) -> int:
        """Add leaves; they are on the disk when this returns the position of the first.

        `keep`: the checkpoint of this moment stays, so that a later change can be placed between two of them. Whatever
        the database raises, the log is then as it was.
        """
        frontier = self._frontier.copy()
        first, complete = frontier.size, list[Node]()
        for leaf in leaves:
            complete += frontier.append(leaf_hash(leaf))
        note = str(sign(Checkpoint(self.origin, frontier.size, frontier.root())))
        database = self._database
        with transaction(database):
            database.executemany("INSERT INTO leaves VALUES (?, ?)", enumerate(leaves, first))
            if complete:
                database.executemany("INSERT INTO tiles VALUES (?, ?, ?)", [tuple(node) for node in complete])
            database.execute("INSERT OR REPLACE INTO head VALUES (1, ?)", (note,))
            if keep:
                database.execute("INSERT OR REPLACE INTO checkpoints VALUES (?, ?)", (frontier.size, note))
        self._frontier = frontier
        return first

    def close(self) -> None:
        self._database.close()


class Kept(msgspec.Struct, frozen=True):
    """A leaf at its position."""

    position: int
    leaf: bytes


def size_of(database: Database) -> int:
    """How many leaves there are, by the position of the last."""
    (last,) = database.execute("SELECT max(position) FROM leaves").fetchone()
    return 0 if last is None else int(last) + 1


def head_of(database: Database) -> Note | None:
    """The newest checkpoint; None for a log that nothing was written to."""
    row = database.execute("SELECT note FROM head").fetchone()
    return None if row is None else read_note(row[0])


def checkpoints_of(database: Database) -> list[Note]:
    """The checkpoints that were kept, oldest first."""
    return [read_note(note) for (note,) in database.execute("SELECT note FROM checkpoints ORDER BY size").fetchall()]


def leaves_of(database: Database, start: int = 0) -> Iterator[Kept]:
    """Every leaf from `start` on, a page at a time: a log that is read does not hold up the one who writes it."""
    while True:
        rows = database.execute(
            "SELECT position, leaf FROM leaves WHERE position >= ? ORDER BY position LIMIT ?", (start, _PAGE)
        ).fetchall()
        for position, leaf in rows:
            yield Kept(position, leaf)
        if len(rows) < _PAGE:
            return
        start = rows[-1][0] + 1


def subtrees(database: Database) -> Subtree:
    """Hashes of complete subtrees: what is kept, and between that what is hashed again."""

    def subtree(start: int, end: int) -> bytes:
        level = (end - start).bit_length() - 1
        if level == 0:
            return leaf_hash(_leaf(database, start))
        if level % TILE_LEVELS == 0:
            return _tile(database, level, start >> level)
        below = level - level % TILE_LEVELS
        hashes = _level(database, below, start >> below, end >> below)
        while len(hashes) > 1:
            hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    return subtree


def _level(database: Database, level: int, start: int, end: int) -> list[bytes]:
    if level:
        return [_tile(database, level, index) for index in range(start, end)]
    rows = database.execute(
        "SELECT leaf FROM leaves WHERE position >= ? AND position < ? ORDER BY position", (start, end)
    ).fetchall()
    if len(rows) != end - start:
        raise _incomplete(f"leaves {start} to {end - 1}")
    return [leaf_hash(leaf) for (leaf,) in rows]


def _leaf(database: Database, position: int) -> bytes:
    row = database.execute("SELECT leaf FROM leaves WHERE position = ?", (position,)).fetchone()
    if row is None:
        raise _incomplete(f"leaf {position}")
    return bytes(row[0])


def _tile(database: Database, level: int, index: int) -> bytes:
    row = database.execute("SELECT hash FROM tiles WHERE level = ? AND position = ?", (level, index)).fetchone()
    if row is None:
        raise _incomplete(f"the hash {index} of level {level}")
    return bytes(row[0])


def _incomplete(what: str) -> StateError:
    return StateError(f"the audit log is not whole: {what} is missing", code="audit_damaged")
