"""What a database offers, whichever it is: statements with `?` in place of values, rows back as sequences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Rows(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...


class Database(Protocol):
    """One connection. Statements commit one by one but inside `transaction`, where they commit together or not at all;
    whoever else wants to write waits meanwhile, so that what was read there stays true."""

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Rows: ...
    def transaction(self) -> AbstractContextManager[object]: ...
    def close(self) -> None: ...
