"""The Merkle tree of RFC 6962: hashes, proofs, and their verification. Pure.

A tree of `size` leaves splits at the largest power of two below `size`. So every subtree that is ever complete stays as
it is, and a root, or a proof, is put together of at most two hashes a level.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import NamedTuple

Subtree = Callable[[int, int], bytes]
"""The hash over the leaves from `start` up to `end`, asked only where these are a whole, aligned power of two."""

TILE_LEVELS = 8
"""Hashes of subtrees are kept at every eighth level: between two of these, at most 256 are hashed again."""

EMPTY = sha256(b"").digest()
"""The root of a tree without leaves."""


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf; its prefix keeps a leaf from passing for a node."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node over its two parts."""
    return sha256(b"\x01" + left + right).digest()


class Node(NamedTuple):
    """A complete subtree of 2^`level` leaves, the `place`-th of its level."""

    level: int
    place: int
    hash: bytes


class Frontier:
    """The complete subtrees of a tree that grows, largest first: all that appending needs to know."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        self.size = size
        self._peaks = list(peaks)

    def append(self, hashed: bytes) -> list[Node]:
        """Add a leaf by its hash; returns the subtrees of 2^8, 2^16 … leaves that it completes."""
        size, level, complete = self.size, 0, []
        while size & 1:
            hashed = node_hash(self._peaks.pop(), hashed)
            size >>= 1
            level += 1
            if level % TILE_LEVELS == 0:
                complete.append(Node(level, size, hashed))
        self._peaks.append(hashed)
        self.size += 1
        return complete

    def copy(self) -> Frontier:
        """The same tree, to append to without touching this one."""
        return Frontier(self.size, self._peaks)

    def root(self) -> bytes:
        """The root over all leaves."""
        if not self._peaks:
            return EMPTY
        hashed = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            hashed = node_hash(peak, hashed)
        return hashed


def frontier_of(size: int, subtree: Subtree) -> Frontier:
    """The frontier of a tree that is there already."""
    start, peaks = 0, []
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            peaks.append(subtree(start, start + (1 << level)))
            start += 1 << level
    return Frontier(size, peaks)


def range_hash(start: int, end: int, subtree: Subtree) -> bytes:
    """The hash over a range that the splitting of the tree leads to."""
    if end <= start:
        return EMPTY
    if (end - start).bit_count() == 1:
        return subtree(start, end)
    middle = start + _split(end - start)
    return node_hash(range_hash(start, middle, subtree), range_hash(middle, end, subtree))


def inclusion_path(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Hashes that lead from leaf `index` to the root over `size` leaves, lowest first."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(range_hash(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_path(old: int, size: int, subtree: Subtree) -> list[bytes]:
    """Hashes that prove that the first `old` of `size` leaves are those that the root over `old` was made of."""
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} does not hold one of {old}")
    if old in (0, size):
        return []
    start, end, whole, path = 0, size, True, []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_hash(middle, end, subtree))
            end = middle
        else:
            path.append(range_hash(start, middle, subtree))
            start, whole = middle, False
    if not whole:
        path.append(range_hash(start, end, subtree))
    return path[::-1]


def includes(hashed: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether `path` proves that the leaf with this hash stands at `index` under `root` over `size` leaves."""
    if not 0 <= index < size:
        return False
    last = size - 1
    for sibling in path:
        if last == 0:
            return False
        if index & 1 or index == last:
            hashed = node_hash(sibling, hashed)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            hashed = node_hash(hashed, sibling)
        index, last = index >> 1, last >> 1
    return last == 0 and hashed == root


def extends(old: int, size: int, old_root: bytes, root: bytes, path: Sequence[bytes]) -> bool:
    """Whether `path` proves that the tree of `size` leaves begins with that of `old` leaves."""
    if not 0 <= old <= size:
        return False
    if old == size:
        return not path and old_root == root
    if old == 0:
        return not path and old_root == EMPTY
    hashes = [old_root, *path] if old.bit_count() == 1 else list(path)
    if not hashes:
        return False
    index, last = old - 1, size - 1
    while index & 1:
        index, last = index >> 1, last >> 1
    return _climb(hashes, index, last) == (old_root, root)


def _climb(hashes: list[bytes], index: int, last: int) -> tuple[bytes, bytes] | None:
    """The roots of the old and the new tree that a consistency proof leads to; None where it has a wrong length."""
    before = after = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return None
        if index & 1 or index == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not index & 1 and index:
                index, last = index >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        index, last = index >> 1, last >> 1
    return (before, after) if last == 0 else None


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
