"""How much of a text may look like something before it counts as something: what a search can cost is bounded."""

from __future__ import annotations

CROWDED = "crowded"
"""The type of what was not confirmed any more, from there to the end of its text."""

FREE = 4_096
PER_KB = 8
"""Candidates that one call may have confirmed: these, and so many more for each 1,024 characters before them. One costs
some 20 microseconds."""

UNBOUNDED = 2**62


class Budget:
    """One call's, or one text's of an answer. It depends on nothing but the text: in pieces it is the same."""

    __slots__ = ("_before", "_free", "_spent")

    def __init__(self, free: int = FREE) -> None:
        self._free = free
        self._before = 0
        self._spent = 0

    def spend(self, candidates: int, place: int) -> bool:
        """Whether so many candidates at `place` of the present text may still be confirmed."""
        self._spent += candidates
        return self._spent <= self._free + (self._before + place) * PER_KB // 1024

    def next_text(self, characters: int) -> None:
        """The present text is over."""
        self._before += characters
