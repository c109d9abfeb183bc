"""What is read or written once: most lines of a head have stood in another head before, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")
Line = tuple[int, Any, bytes, bytes]
"""A field's place among what a head means, and what it means there; its name in lower case, and its value."""

_MOST_LINES = 2048
_LONGEST_BYTES = 256
# Each of these stands in one head and never again.
_PASSING = (b"x-request-", b"idempotenc")


DECIMALS: dict[int, bytes] = {}
"""`DECIMALS.get(n) or decimal(n)` is a number as text: the lengths of bodies are much the same ones."""


def decimal(number: int) -> bytes:
    """Write a number that was not written yet."""
    if len(DECIMALS) >= _MOST_LINES:
        DECIMALS.clear()
    text = DECIMALS[number] = b"%d" % number
    return text


class Memo(Generic[T]):
    """`known.get(line) or read(line)` is what a line says; what the reading raises is not remembered.

    Bounded in lines and in the length of each: whoever writes lines that never come again makes it forget, which costs
    a reading of each line, and no more memory than that of half a megabyte of lines. `known` is a plain dict: one with
    a `__missing__` of its own takes twice as long to look into.
    """

    __slots__ = ("_read", "known")

    def __init__(self, read: Callable[[bytes], T]) -> None:
        self.known: dict[bytes, T] = {}
        self._read = read

    def read(self, line: bytes) -> T:
        """Read a line that is not known."""
        value = self._read(line)
        if len(line) <= _LONGEST_BYTES and line[:10].lower() not in _PASSING:
            if len(self.known) >= _MOST_LINES:
                self.known.clear()
            self.known[line] = value
        return value


def meanings(lines: list[bytes], memo: Memo[Line], places: int) -> list[Any] | None:
    """What the fields of a head mean, by place; None where one place is taken twice.

    A field that means nothing has a place too, and None there. Raises what the memo's reading raises.
    """
    means: list[Any] = [None] * places
    known = memo.known
    for line in lines:
        place, meaning, _name, _value = known.get(line) or memo.read(line)
        if means[place] is not None:
            return None
        means[place] = meaning
    return means
