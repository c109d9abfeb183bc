"""Lines read once: most lines of a head have stood in another head before, byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_MOST_LINES = 2048
_LONGEST_BYTES = 256


class Memo(dict[bytes, T]):
    """`memo[line]` is what `read` makes of `line`; what `read` raises is not remembered.

    Bounded in lines and in the length of each: whoever writes lines that never come again makes it forget, which costs
    a reading of each line, and no more memory than that of half a megabyte of lines.
    """

    def __init__(self, read: Callable[[bytes], T]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, line: bytes) -> T:
        value = self._read(line)
        if len(line) <= _LONGEST_BYTES:
            if len(self) >= _MOST_LINES:
                self.clear()
            self[line] = value
        return value
