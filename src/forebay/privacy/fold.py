"""Text as recognisers see it: ASCII, one byte a character, with the way back to the text as it was written."""

from __future__ import annotations

import re
from bisect import bisect_left
from functools import cache

import msgspec

from forebay.privacy.alphabet import folds, nothing

# What a program reads as another character: JSON's escapes, also when they were escaped again, and HTML's. Bounded: a
# run of backslashes would else be read once from each of its places.
_ESCAPE = r'\\{1,8}u[0-9a-fA-F]{4}|\\{1,8}[nrtbf"/]|&#(?:[0-9]{2,6}|[xX][0-9a-fA-F]{2,5});'
# Mark-up that splits what a reader sees in one piece.
_TAG = r"</?[A-Za-z][A-Za-z0-9]{0,10}/?>"
_WORDS = {"密码": "password", "口令": "password", "密钥": "secret", "令牌": "token", "凭证": "credential"}
_WORD = "(?:" + "|".join(_WORDS) + ")[是为]?"
_SHORT = {"n": "\n", "r": "\n", "t": " ", "b": " ", "f": " ", '"': '"', "/": "/"}


_SPECIAL = re.compile(f"(?P<escape>{_ESCAPE})|(?P<tag>{_TAG})|(?P<word>{_WORD})")
_SPECIAL_ANY = ("\\", "<", "&#", *_WORDS)
_NOTHING = re.compile(f"[{nothing()}]")


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


def fold(text: str) -> bytes:
    """`text` in ASCII. A character that means nothing here becomes `?`, which ends a value."""
    if text.isascii():
        if "\\" not in text and "<" not in text and "&#" not in text:
            return text.encode()
    elif not any(mark in text for mark in _SPECIAL_ANY):
        return text.translate(_table()).encode("ascii", "replace")
    return _SPECIAL.sub(_meant, text).translate(_table()).encode("ascii", "replace")


def fold_with_places(text: str) -> Folded:
    """`text` folded, with the way back."""
    if text.isascii() and "\\" not in text and "<" not in text and "&#" not in text:
        return Folded(text.encode())
    pieces: list[bytes] = []
    begins: list[int] = []
    ends: list[int] = []
    at, table = 0, _table()
    specials = [(*found.span(), _meant(found).translate(table)) for found in _SPECIAL.finditer(text)]
    for begin, end, meant in [*specials, (len(text), len(text), "")]:
        plain = text[at:begin]
        if plain.isascii() or _NOTHING.search(plain) is None:
            pieces.append((plain if plain.isascii() else plain.translate(table)).encode("ascii", "replace"))
            begins += range(at, begin)
            ends += range(at + 1, begin + 1)
        else:
            for index in range(at, begin):
                _add(table.get(ord(text[index]), text[index]), index, index + 1, (pieces, begins, ends))
        if meant:
            _add(meant, begin, end, (pieces, begins, ends))
        at = end
    whole = b"".join(pieces)
    return Folded(whole) if begins == list(range(len(text))) else Folded(whole, begins, ends)


def _add(meant: str, begin: int, end: int, to: tuple[list[bytes], list[int], list[int]]) -> None:
    pieces, begins, ends = to
    pieces.append(meant.encode("ascii", "replace"))
    begins += [begin] * len(meant)
    ends += [end] * len(meant)


@cache
def _table() -> dict[int, str]:
    return folds() | {point: " " for point in range(0x80, 0x3001) if chr(point).isspace()}


def _meant(found: re.Match[str]) -> str:
    kind, text = found.lastgroup, found[0]
    if kind == "tag":
        return ""
    if kind == "word":
        return "?" + _WORDS[text[:2]] + ":" * (len(text) > 2)  # a value before it has ended
    return behind(text)


def behind(text: str) -> str:
    """The character behind an escape."""
    if text[0] == "&":
        point = int(text[3:-1], 16) if text[2] in "xX" else int(text[2:-1])
    elif "u" not in text:
        return _SHORT[text[-1]]
    else:
        point = int(text[-4:], 16)
    return chr(point) if 0 < point < 0x110000 else "?"
