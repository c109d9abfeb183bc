"""Where text may be cut so that no value is: chains of characters in which a value may stand.

A chain is a run of characters that values are made of, and goes on behind a space where a number may: between two
digits, or as the groups of an IBAN do. Whatever ends a chain ends every value. Whether a chain ends at a place depends
on that place alone, and on at most three spaces behind it: so text that comes in pieces is cut where whole text is.
"""

from __future__ import annotations

import re
from functools import cache

from forebay.privacy.alphabet import SPACES, digits, run

MOST_SPACES = 3
"""The separator budget: more spaces than this in a row end a number."""

# The line that opens a private key has spaces of its own.
_KEY_LINE = ("-----BEGIN", "BEGIN RSA", "BEGIN EC", "BEGIN DSA", "BEGIN OPENSSH", "BEGIN ENCRYPTED", "BEGIN PGP")
_KEY_WORDS = ("PRIVATE", "PRIVATE KEY")


@cache
def _joints() -> str:
    """Spaces that do not end a chain, by what stands on both sides."""
    digit, space = digits(), f"[{SPACES}]{{1,{MOST_SPACES}}}+"
    key = "|".join(f"(?<={text})" for text in (*_KEY_LINE, *_KEY_WORDS))
    return (
        f"(?<=[{digit}]){space}(?=[{digit}A-Z(+.*_~xX-])"
        f"|(?<=[A-Z]){space}(?=[0-9])"
        f"|(?<=[).*_~-]){space}(?=[{digit}(+-])"
        f"|(?:{key}) (?=[A-Z])"
    )


@cache
def _chain() -> re.Pattern[str]:
    return re.compile(f"[{run()}]++(?:(?:{_joints()})[{run()}]++)*+")


@cache
def _open_end() -> re.Pattern[str]:
    """Whether spaces at the very end may yet turn out to be inside a chain."""
    key = "|".join(f"(?<={text})" for text in (*_KEY_LINE, *_KEY_WORDS))
    return re.compile(f"(?:(?<=[{digits()}A-Z).*_~-])[{SPACES}]{{0,{MOST_SPACES}}}+|(?:{key}) )\\Z")


def next_chain(text: str, start: int) -> tuple[int, int] | None:
    """The first chain at or behind `start`; None where there is none."""
    found = _chain().search(text, start)
    return found.span() if found is not None else None


def is_open(text: str, end: int) -> bool:
    """Whether the chain that ends at `end` may go on in what follows `text`."""
    return end == len(text) or _open_end().match(text, end) is not None
