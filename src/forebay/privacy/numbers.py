"""Numbers in folded text: every row of digit groups that may be one value, however it was separated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

import msgspec

from forebay.privacy.expression import Expression

# What may stand between two groups, up to the separator budget; a closing X is the check digit of Chinese ids.
_BETWEEN = rb"[ \t\r\n\x0b\x0c.\-*_~()+]"
GATE = r"[0-9](?:[ \t\r\n\x0b\x0c.\-*_~()+]{0,3}[0-9xX]){6}"
"""Where this matches nowhere, there is no number to look at."""

_ROW = re.compile(rb"[0-9]++(?:" + _BETWEEN + rb"{1,3}+[0-9]++)*+")
_GROUP = re.compile(rb"[0-9]+")
_FRACTION = re.compile(rb"[0-9]+\.[0-9]+")
_ADDRESS = re.compile(rb"([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})")
_SINGLES = re.compile(rb"[0-9](?:" + _BETWEEN + rb"{1,3}+[0-9](?![0-9])){6,}+")
_X = re.compile(_BETWEEN + rb"{0,3}([xX])(?![0-9A-Za-z])")
_UUID = re.compile(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])")
_LETTER = re.compile(rb"[A-Za-z]")
_MOST_DIGITS, _MOST_GROUPS = 22, 6
_LONGEST, _REACH = _MOST_DIGITS * 4, 96
# How people group numbers: a part of a longer row is a number of its own only if it looks like one of these.
_KNOWN = frozenset(
    {
        (3, 4, 4), (3, 3, 5), (4, 3, 4), (3, 8), (2, 3, 4, 4), (2, 11), (2, 3, 8), (4, 11),  # Chinese mobiles
        (4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (6, 13), (4, 4, 4, 4, 3), (6, 12), (4, 4, 4, 4, 2), (4, 4, 4, 1), (8, 8),
        (6, 8, 4), (6, 4, 4, 4), (6, 8, 3), (6, 4, 4, 3), (6, 9), (6, 6, 3), (3, 3, 4, 4, 4),  # Chinese ids
        (3, 7), (3, 8), (4, 7), (4, 8), (2, 8), (3, 4, 3), (3, 4, 4),  # landlines
        (3, 3, 4), (1, 3, 3, 4), (3, 2, 4), (3, 3, 3), (3, 3, 3, 2), (2, 3, 3, 4, 2), (4, 4, 4), (6, 7), (6, 5, 2),
    }
)  # fmt: skip


_FEWEST_DIGITS = 7


def _shape(sizes: tuple[int, ...]) -> bytes:
    return (_BETWEEN + rb"{1,3}").join(rb"[0-9]{%d}" % size for size in sizes)


_SHAPES = Expression(rb"(?:^|[^0-9])([0-9]{7,22}|" + b"|".join(map(_shape, sorted(_KNOWN))) + rb")(?:$|[^0-9])")


BEFORE_DIGITS = 2
"""How far before its first digit a number may begin: with a plus sign and a bracket."""


class Number(msgspec.Struct, frozen=True, gc=False):
    """Digits at `start` to `end` of the folded text. `plus`: a plus sign or 00 stood before, which `start` includes."""

    start: int
    end: int
    digits: str
    groups: tuple[int, ...]
    plus: bool


def numbers(folded: bytes, start: int, until: int) -> Iterator[Number]:
    """Every candidate that begins at or behind `start` and before `until`, longest rows included; they overlap."""
    if b"-" in folded:
        folded = _UUID.sub(_blank, folded)
    for row in _ROW.finditer(folded, 0, until + _REACH):
        begin, end = row.span()
        if begin >= until:
            return
        if end - begin >= _FEWEST_DIGITS and end > start:
            yield from _of_row(folded, begin, end, start, until)


def _of_row(folded: bytes, begin: int, end: int, start: int, until: int) -> Iterator[Number]:
    """The whole row, and each part of it that looks like a number of its own; the automaton skips all others."""
    if _GROUP.fullmatch(folded, begin, end):
        if begin >= start and end - begin <= _MOST_DIGITS:
            yield from _number(folded, [(begin, end)], is_first=True)
        return
    is_short = end - begin <= _LONGEST
    if is_short and (_FRACTION.fullmatch(folded, begin, end) or _is_address(folded, begin, end)):
        return
    whole = _row_of_one_number(folded, begin, end) if is_short and begin >= start else None
    if whole is not None:
        yield from _number(folded, whole, is_first=True)
    if _SINGLES.fullmatch(folded, begin, end):
        return
    at = max(begin, start, 1) - 1
    while (found := next(_SHAPES.spans(folded, at, end + 1), None)) is not None and found[0] < until:
        first = found[0]
        at = _digits_end(folded, first)
        if first >= start:
            yield from _from(folded, begin, end, first)


def _row_of_one_number(folded: bytes, begin: int, end: int) -> list[tuple[int, int]] | None:
    """Its groups, if the row has so few digits."""
    groups = [each.span() for each in _GROUP.finditer(folded, begin, end)]
    digits = sum(stop - first for first, stop in groups)
    return groups if _FEWEST_DIGITS <= digits <= _MOST_DIGITS else None


def _digits_end(folded: bytes, start: int) -> int:
    found = _GROUP.match(folded, start)
    return start if found is None else found.end()


def _from(folded: bytes, begin: int, end: int, first: int) -> Iterator[Number]:
    """The numbers that begin with the group at `first`, but for the whole row."""
    groups: list[tuple[int, int]] = []
    sizes: tuple[int, ...] = ()
    for group in islice(_GROUP.finditer(folded, first, end), _MOST_GROUPS):
        groups.append(group.span())
        sizes += (group.end() - group.start(),)
        total = sum(sizes)
        if total > _MOST_DIGITS:
            return
        is_whole = first == begin and group.end() == end
        if total >= _FEWEST_DIGITS and not is_whole and (len(sizes) == 1 or sizes in _KNOWN):
            yield from _number(folded, groups, is_first=first == begin)


def _is_address(folded: bytes, begin: int, end: int) -> bool:
    """Four numbers below 256 with dots."""
    found = _ADDRESS.fullmatch(folded, begin, end)
    return found is not None and all(int(each) < 256 for each in found.groups())


def _number(folded: bytes, groups: list[tuple[int, int]], *, is_first: bool) -> Iterator[Number]:
    start, end = groups[0][0], groups[-1][1]
    if not _stands_alone(folded, start, end):
        return
    if start and folded[start - 1 : start] == b"(" and b")" in folded[start:end]:
        start -= 1
    digits = b"".join([folded[begin:stop] for begin, stop in groups]).decode()
    sizes = tuple([stop - begin for begin, stop in groups])
    closing = _X.match(folded, end)
    if closing is not None and (len(digits) == 17 or len(digits) == 9):
        yield Number(start, closing.end(1), digits + "X", (*sizes, 1), plus=False)
        return
    if _LETTER.match(folded, end):
        return
    before = folded[max(0, start - 2) : start]
    plus = before.endswith(b"+") or before == b"+("
    if plus:
        start -= len(before) - before.index(b"+")
    elif is_first and digits.startswith("00"):
        yield Number(start, end, digits[2:], sizes, plus=True)
    yield Number(start, end, digits, sizes, plus)


def _stands_alone(folded: bytes, start: int, end: int) -> bool:
    """Not the tail of a word, of a fraction, nor its whole part."""
    before, after = folded[max(0, start - 2) : start], folded[end : end + 2]
    if before and _LETTER.match(before[-1:]):
        return False
    if len(before) == 2 and before[-1:] == b"." and before[:1].isdigit():
        return False
    return not (after[:1] == b"." and after[1:].isdigit())


def _blank(found: re.Match[bytes]) -> bytes:
    return b"?" * len(found[0])
