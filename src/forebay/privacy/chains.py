"""Where text may be cut so that no value is: chains of characters in which a value may stand.

A chain is a run of characters that values are made of, and goes on behind a space where a number may: between two
digits, or as the groups of an IBAN do. Whatever ends a chain ends every value. Whether a chain ends at a place depends
on that place alone, and on at most three spaces behind it: so text that comes in pieces is cut where whole text is.
"""

from __future__ import annotations

import re

from forebay.privacy.alphabet import SPACES, digits, inert, run

MOST_SPACES = 3
"""The separator budget: more spaces than this in a row end a number."""

# The line that opens a private key has spaces of its own.
_KEY_LINE = (
    *("-----BEGIN", "BEGIN RSA", "BEGIN EC", "BEGIN DSA", "BEGIN OPENSSH", "BEGIN ENCRYPTED", "BEGIN PGP"),
    *("PRIVATE", "PRIVATE KEY"),
)


class Chains:
    """Where chains lie."""

    __slots__ = ("_between", "_chain", "_inert", "_inside", "_open_end")

    def __init__(self) -> None:
        digit, space, inside = digits(), f"[{SPACES}]{{1,{MOST_SPACES}}}+", f"[{run()}]++"
        joints = [
            f"(?<=[{digit}]){space}(?=[{digit}A-Z(+.*_~xX\\\\&-])",  # also one that is written as an escape
            f"(?<=;){space}(?=[{digit}(+\\\\&-])",
            f"(?<=[A-Z]){space}(?=[0-9])",
            f"(?<=[).*_~-]){space}(?=[{digit}(+-])",
            *(f"(?<={text}) (?=[A-Z])" for text in _KEY_LINE),
        ]
        begun = [f"(?<={text}) " for text in _KEY_LINE]
        self._chain = re.compile(f"{inside}(?:(?:{'|'.join(joints)}){inside})*+")
        # What ends every chain, whatever follows: no joint begins so.
        self._between = re.compile(f"(?s:.*)(?:(?<=[a-z])[{SPACES}]|[^{SPACES}{run()}])")
        self._inside = re.compile(f"[{run()}]")
        self._inert = re.compile(f"(?<=[{inert()}])[{inert()}]++")
        self._open_end = re.compile(f"(?:(?<=[{digit}A-Z).*_~;-])[{SPACES}]{{0,{MOST_SPACES}}}+|{'|'.join(begun)})\\Z")

    def next(self, text: str, start: int) -> tuple[int, int] | None:
        """The first chain at or behind `start`; None where there is none."""
        found = self._chain.search(text, start)
        return found.span() if found is not None else None

    def last_between(self, text: str, start: int, end: int) -> int:
        """The last place up to `end` that is surely behind each chain that begins before it; `start` if none is."""
        found = self._between.match(text, start, end)
        return start if found is None else found.end()

    def rest(self, text: str, start: int, end: int) -> tuple[int, int] | None:
        """`next` from within the chain that ends at `end`: a long one is not read again and again."""
        found = self._inside.search(text, start, end)
        return (found.start(), end) if found is not None else self.next(text, end)

    def is_open(self, text: str, end: int) -> bool:
        """Whether the chain that ends at `end` may go on in what follows `text`."""
        return end == len(text) or self._open_end.match(text, end) is not None

    def inert_end(self, text: str, start: int) -> int:
        """Where the run of letters and digits ends in the midst of which `start` lies; `start` if it does not."""
        found = self._inert.match(text, start)
        return start if found is None else found.end()
