"""Text as recognisers see it: ASCII, one byte a character, with the way back to the text as it was written."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache

import msgspec

from forebay.privacy.alphabet import folds

# What a program reads as another character: JSON's escapes, however often they were escaped again, and HTML's.
_ESCAPE = r'\\+u[0-9a-fA-F]{4}|\\+[nrtbf"/]|&#(?:[0-9]{2,6}|[xX][0-9a-fA-F]{2,5});'
# Mark-up that splits what a reader sees in one piece.
_TAG = r"</?[A-Za-z][A-Za-z0-9]{0,10}/?>"
_WORDS = {"密码": "password", "口令": "password", "密钥": "secret", "令牌": "token", "凭证": "credential"}
_WORD = "(?:" + "|".join(_WORDS) + ")[是为]?"
_SHORT = {"n": "\n", "r": "\n", "t": " ", "b": " ", "f": " ", '"': '"', "/": "/"}


_SPECIAL = re.compile(f"(?P<escape>{_ESCAPE})|(?P<tag>{_TAG})|(?P<word>{_WORD})")
_SPECIAL_ASCII = ("\\", "<", "&#")
_SPECIAL_ANY = (*_SPECIAL_ASCII, *_WORDS)


class Folded(msgspec.Struct, frozen=True, gc=False):
    """Folded text, and where in the text as written each of its bytes begins and ends; None where it is the same."""

    text: bytes
    begins: list[int] | None = None
    ends: list[int] | None = None

    def index(self, place: int) -> int:
        """The first byte that came from `place` or behind it."""
        return place if self.begins is None else bisect_left(self.begins, place)

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Where bytes came from."""
        if self.begins is None or self.ends is None:
            return begin, end
        return self.begins[begin], self.ends[end - 1]


class Folder:
    """Folds text; `more` are further characters that mean something: they fold to a few signs of their own."""

    __slots__ = ("_table",)

    def __init__(self, more: str = "") -> None:
        self._table = _table() | {ord(character): _sign_of(character) for character in more}

    def fold(self, text: str) -> bytes:
        """`text` in ASCII. A character that means nothing here becomes `?`, which ends a value."""
        if text.isascii():
            if not any(mark in text for mark in _SPECIAL_ASCII):
                return text.encode()
        elif not any(mark in text for mark in _SPECIAL_ANY):
            return text.translate(self._table).encode("ascii", "replace")
        return _SPECIAL.sub(_meant, text).translate(self._table).encode("ascii", "replace")

    def fold_with_places(self, text: str) -> Folded:
        """`text` folded, with the way back."""
        if text.isascii() and not any(mark in text for mark in _SPECIAL_ASCII):
            return Folded(text.encode())
        pieces: list[str] = []
        begins: list[int] = []
        ends: list[int] = []

        def add(meant: str, begin: int, end: int) -> None:
            pieces.append(meant)
            begins.extend([begin] * len(meant))
            ends.extend([end] * len(meant))

        at, table = 0, self._table
        for begin, end, special in [
            *((*found.span(), found) for found in _SPECIAL.finditer(text)),
            (len(text), 0, None),
        ]:
            for index in range(at, begin):
                add(table.get(ord(text[index]), text[index]), index, index + 1)
            if special is not None:
                add(_meant(special).translate(table), begin, end)
            at = end
        folded = "".join(pieces).encode("ascii", "replace")
        return Folded(folded) if begins == list(range(len(text))) else Folded(folded, begins, ends)


@cache
def _table() -> dict[int, str]:
    return folds() | {point: " " for point in range(0x80, 0x3001) if chr(point).isspace()}


def _sign_of(character: str) -> str:
    """One of eighteen control characters: who matches them looks at what was written, too."""
    return chr(0x0E + ord(character) % 18)


def _meant(found: re.Match[str]) -> str:
    kind, text = found.lastgroup, found[0]
    if kind == "tag":
        return ""
    if kind == "word":
        return _WORDS[text[:2]] + ":" * (len(text) > 2)
    return _escaped(text)


def _escaped(text: str) -> str:
    """The character behind an escape."""
    if text[0] == "&":
        point = int(text[3:-1], 16) if text[2] in "xX" else int(text[2:-1])
    elif "u" not in text:
        return _SHORT[text[-1]]
    else:
        point = int(text[-4:], 16)
    return chr(point) if 0 < point < 0x110000 else "?"
