"""An expression in RE2's syntax over bytes, and where it matches: without the objects that a search of `re2` makes."""

from __future__ import annotations

from collections.abc import Iterator

import re2

_ANYWHERE = re2._re2.RE2.Anchor.UNANCHORED  # the wrapper around it costs more than a search
_NOWHERE = (-1, -1)
_BYTES = 64 * 1024 * 1024


def options() -> re2.Options:
    """Bytes as they are, and an automaton that may grow; beyond `_BYTES` it gives up and says so."""
    chosen = re2.Options()
    chosen.max_mem = _BYTES
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.log_errors = False
    return chosen


class Expression:
    """Made ready. What it tells of is its first group, or all of it where it has none."""

    __slots__ = ("_group", "_match")

    def __init__(self, pattern: bytes) -> None:
        compiled = re2.compile(pattern, options())
        self._group = 1 if compiled.groups else 0
        self._match = compiled._regexp.Match

    def is_in(self, text: bytes) -> bool:
        """Whether it matches anywhere."""
        return self._match(_ANYWHERE, text, 0, len(text))[0] != _NOWHERE  # type: ignore[no-any-return]

    def spans(self, text: bytes, start: int, end: int | None = None) -> Iterator[tuple[int, int]]:
        """Where it matches from `start` on, none overlapping. What stands before `start` is seen all the same."""
        stop = len(text) if end is None else min(end, len(text))
        while start <= stop:
            found = self._match(_ANYWHERE, text, start, stop)
            if found[0] == _NOWHERE:
                return
            yield found[self._group]
            start = max(found[0][1], start + 1)
