"""Text as recognisers see it: ASCII, one byte a character, with the way back to the text as it was written."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cache, lru_cache

from forebay.privacy.alphabet import folds, nothing

# What a program reads as another character: JSON's escapes, also when they were escaped again, and HTML's. Bounded: a
# run of backslashes would else be read once from each of its places. What is beyond U+FFFF has two halves in JSON.
HIGH = r"\\{1,8}u[dD][89abAB][0-9a-fA-F]{2}"
_PAIR = HIGH + r"\\{1,8}u[dD][c-fC-F][0-9a-fA-F]{2}"
ESCAPE = _PAIR + r'|\\{1,8}u[0-9a-fA-F]{4}|\\{1,8}[nrtbf"/]|&#(?:[0-9]{2,6}|[xX][0-9a-fA-F]{2,5});'
# Mark-up that splits what a reader sees in one piece.
_TAG = r"</?[A-Za-z][A-Za-z0-9]{0,10}/?>"
_WORDS = {"密码": "password", "口令": "password", "密钥": "secret", "令牌": "token", "凭证": "credential"}
_WORD = "(?:" + "|".join(_WORDS) + ")[是为]?"
_SHORT = {"n": "\n", "r": "\n", "t": " ", "b": " ", "f": " ", '"': '"', "/": "/"}


_SPECIALS = f"(?P<escape>{ESCAPE})|(?P<tag>{_TAG})|(?P<word>{_WORD})"
_SPECIAL = re.compile(_SPECIALS)
_SPECIAL_ANY = ("\\", "<", "&#", *_WORDS)
_MARK = re.compile(f"{_SPECIALS}|[{nothing()}]+")
_NO_MARKS: tuple[list[int], list[int], list[int], list[int]] = ([], [], [], [])
# What a mark begins with: to find that first is several times faster than to try all of them everywhere.
_FIRST = re.compile(f"[\\\\<&{''.join({word[0] for word in _WORDS})}{nothing()}]")


class Folded:
    """Folded text, and where in the text as written each of its bytes begins and ends.

    Where nothing is marked a byte is a character. A mark stands for what is not: from `begins` to `ends` as written,
    `lengths` bytes from `at` on. A list with an entry for each byte would cost more than all that is looked for.
    """

    __slots__ = ("_at", "_begins", "_ends", "_lengths", "text")

    def __init__(self, text: bytes, marks: tuple[list[int], list[int], list[int], list[int]] = _NO_MARKS) -> None:
        self.text = text
        self._at, self._lengths, self._begins, self._ends = marks

    def index(self, place: int) -> int:
        """The first byte that came from `place` or behind it."""
        number = bisect_left(self._begins, place) - 1
        if number < 0:
            return place
        return self._at[number] + self._lengths[number] + max(0, place - self._ends[number])

    def span(self, begin: int, end: int) -> tuple[int, int]:
        """Where bytes came from."""
        return self._place(begin)[0], self._place(end - 1)[1]

    def _place(self, index: int) -> tuple[int, int]:
        number = bisect_right(self._at, index) - 1  # of several at one place those before the last have no bytes
        if number < 0:
            return index, index + 1
        end = self._ends[number]
        beyond = index - self._at[number] - self._lengths[number]
        return (self._begins[number], end) if beyond < 0 else (end + beyond, end + beyond + 1)


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
    pieces: list[str] = []
    marks: tuple[list[int], list[int], list[int], list[int]] = [], [], [], []
    all_at, lengths, begins, ends = marks
    at = before = place = 0  # where the folded text and the written one have come to
    while (first := _FIRST.search(text, place)) is not None:
        begin = first.start()
        found = _MARK.match(text, begin)
        if found is None:
            place = begin + 1
            continue
        place = found.end()
        pieces.append(text[before:begin])
        meant = _told(found[0], found.lastgroup)
        pieces.append(meant)
        at += begin - before
        all_at.append(at)
        lengths.append(len(meant))
        begins.append(begin)
        ends.append(place)
        at += len(meant)
        before = place
    pieces.append(text[before:])
    whole = "".join(pieces)  # each other character becomes one character
    return Folded((whole if whole.isascii() else whole.translate(_table())).encode("ascii", "replace"), marks)


@cache
def _table() -> dict[int, str]:
    return folds() | {point: " " for point in range(0x80, 0x3001) if chr(point).isspace()}


def _meant(found: re.Match[str]) -> str:
    return _told(found[0], found.lastgroup)


def _told(text: str, kind: str | None) -> str:
    """What is meant, in ASCII: nothing, one character, or a word."""
    return "" if kind == "tag" or kind is None else _spelt(text, kind)


@lru_cache(maxsize=4_096)
def _spelt(text: str, kind: str) -> str:
    """Of escapes and words, which are few and nobody's own: what it is given stays as long as the worker."""
    plain = "?" + _WORDS[text[:2]] + ":" * (len(text) > 2) if kind == "word" else behind(text)  # a value has ended
    return plain.translate(_table()).encode("ascii", "replace").decode()


def behind(text: str) -> str:
    """The character behind an escape."""
    if text[0] == "&":
        point = int(text[3:-1], 16) if text[2] in "xX" else int(text[2:-1])
    elif "u" not in text:
        return _SHORT[text[-1]]
    else:
        first = text.index("u") + 1
        point = int(text[-4:], 16)
        if first + 4 < len(text):
            point = 0x10000 + (int(text[first : first + 4], 16) - 0xD800) * 0x400 + point - 0xDC00
    return chr(point) if 0 < point < 0x110000 else "?"
