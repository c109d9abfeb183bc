"""Words of the operator's own, tens of thousands of them, in text that comes in any pieces.

One table has them all, by their first two characters: an automaton of so many would hold every state of a text that is
made to need them. They are found in any case, in full width, with what has no width between their characters, and
behind a program's escapes; otherwise as they are written. What may yet become a word is held: the longest end of the
text with which a word begins. What is decided no more text changes, so text in pieces is searched as the whole is.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator

import msgspec

from forebay.privacy.alphabet import guised, guises
from forebay.privacy.fold import ESCAPE, HIGH, behind
from forebay.privacy.recogniser import BEFORE_CHARACTERS, LIKELY, preceded
from forebay.privacy.span import Span

LONGEST_WORD_CHARACTERS = 120
MOST_CHARACTERS = 1_000_000
"""Of all words together: each worker holds them, and their beginnings."""

_SLACK_CHARACTERS = 32
# What a program or a reader takes for another character, or for none. Bounded: the end of a text shows whether one may
# begin there.
_MARK = re.compile(f"(?P<escape>{ESCAPE})|</?[A-Za-z][A-Za-z0-9]{{0,10}}/?>")
# What may be the beginning of a mark: it is not read before it is whole.
_HALF_MARK = re.compile(
    f"(?:{HIGH}|(?:{HIGH})?"
    r"\\{1,8}(?:u[0-9a-fA-F]{0,3})?|&(?:#(?:[0-9]{0,6}|[xX][0-9a-fA-F]{0,5})?)?|</?(?:[A-Za-z][A-Za-z0-9]{0,10}/?)?)\Z"
)
_LONGEST_MARK = 26
_ODD = re.compile(f"[{guised()}\\\\<&]")


class BadWords(ValueError):
    """A list that cannot be looked for."""


class WordList(msgspec.Struct, frozen=True):
    """Words of one type; with `near`, they count only shortly behind one of these."""

    words: tuple[str, ...]
    near: tuple[str, ...] = ()


class Words:
    """Lists made ready."""

    __slots__ = ("_begin", "_lengths", "_near", "kinds", "longest", "starts")

    def __init__(self, lists: dict[str, WordList]) -> None:
        self.kinds: dict[str, str] = {}
        for kind, each in lists.items():
            for word in each.words:
                self.kinds.setdefault(_checked(word), kind)
        if sum(map(len, self.kinds)) > MOST_CHARACTERS:
            raise BadWords(f"all words together have at most {MOST_CHARACTERS} characters")
        self.longest = max(map(len, self.kinds))
        self.starts = frozenset(word[:end] for word in self.kinds for end in range(1, len(word) + 1))
        self._near = {kind: preceded(*each.near) for kind, each in lists.items() if each.near}
        self._lengths = _lengths(self.kinds)
        self._begin = _begin({word[0] for word in self.kinds})

    def hold(self, text: str) -> bool:
        """Whether any word is in a whole text."""
        return next(self.matches(Plain(text).text, 0), None) is not None

    def matches(self, plain: str, start: int) -> Iterator[tuple[int, int, str]]:
        """Each word from `start` on, the longest where several begin, with its type; empty where none is near it."""
        for found in self._begin.finditer(plain, start):
            begin = found.start()
            end = self._end(plain, begin) if begin >= start else 0
            if end:
                start = end
                kind = self.kinds[plain[begin:end]]
                named = self._near.get(kind)
                counts = named is None or named(plain[max(0, begin - BEFORE_CHARACTERS) : begin])
                yield begin, end, kind if counts else ""

    def _end(self, plain: str, begin: int) -> int:
        """Where the longest word ends that begins at `begin`; 0 if none does."""
        for length in self._lengths.get(plain[begin : begin + 2]) or self._lengths.get(plain[begin], ()):
            end = begin + length
            if end > len(plain) or plain[begin:end] not in self.kinds:
                continue
            if end == len(plain) or not (_stands(plain[end - 1]) and _stands(plain[end])):
                return end
        return 0

    def open_from(self, plain: str, start: int) -> int:
        """Where the longest end of a text begins that a word may begin with, or be."""
        for place in range(max(start, len(plain) - self.longest), len(plain)):
            if plain[place:] not in self.starts:
                continue
            if not (place and _stands(plain[place]) and _stands(plain[place - 1])):
                return place
        return len(plain)


class Plain:
    """Text as words are looked for in it, with the way back: `begins` and `ends` of each character as written."""

    __slots__ = ("begins", "ends", "text")

    def __init__(self, written: str) -> None:
        self.begins: list[int] | None = None
        self.ends: list[int] | None = None
        if written.isascii():
            if "\\" not in written and "<" not in written and "&" not in written:
                self.text = written.lower()
                return
        elif _ODD.search(written) is None:
            self.text = _lower(written)
            return
        pieces: list[str] = []
        begins: list[int] = []
        ends: list[int] = []
        for meant, begin, end in _pieces(written):
            pieces.append(meant)
            whole = len(meant) == end - begin
            begins += range(begin, end) if whole else [begin] * len(meant)
            ends += range(begin + 1, end + 1) if whole else [end] * len(meant)
        self.begins, self.ends = begins, ends
        self.text = _lower("".join(pieces))

    def index(self, place: int) -> int:
        """The first character that came from `place` or behind it."""
        return place if self.begins is None else bisect_left(self.begins, place)

    def written(self, begin: int, end: int) -> tuple[int, int]:
        """Where characters came from."""
        return (begin, end) if self.begins is None or self.ends is None else (self.begins[begin], self.ends[end - 1])


class WordScan:
    """One text. `decided` characters of it, from its beginning, are done with; `spans` are the words in these."""

    __slots__ = ("_base", "_held", "_words", "decided", "spans")

    def __init__(self, words: Words) -> None:
        self._words = words
        self._held = ""
        self._base = 0
        self.decided = 0
        self.spans: list[Span] = []

    def feed(self, text: str) -> None:
        """Take more of the text."""
        self._held += text
        half = _HALF_MARK.search(self._held, max(self.decided - self._base, len(self._held) - _LONGEST_MARK))
        self._go_on(self._held if half is None else self._held[: half.start()], final=False)
        excess = self.decided - self._base - BEFORE_CHARACTERS - _LONGEST_MARK
        if excess > _SLACK_CHARACTERS:
            self._held = self._held[excess:]
            self._base += excess

    def finish(self) -> None:
        """There is no more."""
        self._go_on(self._held, final=True)

    def _go_on(self, held: str, *, final: bool) -> None:
        plain = Plain(held)
        at, text = plain.index(self.decided - self._base), plain.text
        until = len(text) if final else self._words.open_from(text, at)
        for begin, end, kind in self._words.matches(text, at):
            if begin >= until:
                break
            if kind:
                start, stop = plain.written(begin, end)
                self.spans.append(Span(kind, self._base + start, self._base + stop, LIKELY))
            if end > until:
                until = self._words.open_from(text, end)
            at = end
        until = max(until, at)
        self.decided = self._base + (len(held) if until >= len(text) else plain.written(until, until + 1)[0])


def _pieces(written: str) -> Iterator[tuple[str, int, int]]:
    """What is meant, in pieces, and where each stands: as long as it is written, or one character."""
    table, at = guises(), 0
    marks = [(*found.span(), found["escape"]) for found in _MARK.finditer(written)]
    for begin, end, escape in [*marks, (len(written), len(written), None)]:
        if written[at:begin].isascii():
            yield written[at:begin], at, begin
        else:
            for place in range(at, begin):
                yield table.get(ord(written[place]), written[place]), place, place + 1
        if escape:
            meant = behind(escape)
            yield table.get(ord(meant), meant), begin, end
        at = end


def _lower(text: str) -> str:
    """In one case, as many characters as before."""
    folded = text.casefold()
    if len(folded) == len(text):
        return folded
    return "".join(low if len(low := each.casefold()) == 1 else each for each in text)


def _checked(word: str) -> str:
    plain = Plain(" ".join(word.split())).text
    if not plain or len(word) > LONGEST_WORD_CHARACTERS:
        raise BadWords(f"a word has 1 to {LONGEST_WORD_CHARACTERS} characters")
    return plain


def _lengths(words: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """By the first two characters, and by the only one, how long words are, the longest first."""
    found: dict[str, set[int]] = {}
    for word in words:
        found.setdefault(word[:2], set()).add(len(word))
    for beginning, lengths in found.items():
        if len(beginning) > 1 and beginning[0] in found:
            lengths.add(1)
    return {beginning: tuple(sorted(lengths, reverse=True)) for beginning, lengths in found.items()}


def _begin(firsts: set[str]) -> re.Pattern[str]:
    """Where a word may begin: one that begins as words in Latin letters do stands alone there."""
    alone = "".join(re.escape(each) for each in firsts if _stands(each))
    other = "".join(re.escape(each) for each in firsts if not _stands(each))
    ways = [f"(?<![A-Za-z0-9_])[{alone}]"] * bool(alone) + [f"[{other}]"] * bool(other)
    return re.compile("|".join(ways))


def _stands(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")
