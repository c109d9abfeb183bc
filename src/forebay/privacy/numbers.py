"""Numbers in folded text: every row of digit groups that may be one value, however it was separated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

import msgspec

# What may stand between two groups, up to the separator budget; a closing X is the check digit of Chinese ids.
_BETWEEN = rb"[ \t\r\n\x0b\x0c.\-*_~()+]"
GATE = r"[0-9](?:[ \t\r\n\x0b\x0c.\-*_~()+]{0,3}[0-9xX]){6}"
"""Where this matches nowhere, there is no number to look at."""

_ROW = re.compile(rb"[0-9]++(?:" + _BETWEEN + rb"{1,3}+[0-9]++)*+")
_GROUP = re.compile(rb"[0-9]+")
_X = re.compile(_BETWEEN + rb"{0,3}([xX])(?![0-9A-Za-z])")
_UUID = re.compile(rb"(?<![0-9a-fA-F])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![0-9a-fA-F])")
_LETTER = re.compile(rb"[A-Za-z]")
_MOST_DIGITS, _MOST_GROUPS = 22, 6
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


class Number(msgspec.Struct, frozen=True, gc=False):
    """Digits at `start` to `end` of the folded text. `plus`: a plus sign or 00 stood before, which `start` includes."""

    start: int
    end: int
    digits: str
    groups: tuple[int, ...]
    plus: bool


def numbers(folded: bytes, start: int) -> Iterator[Number]:
    """Every candidate that begins at or behind `start`, longest rows included; they overlap."""
    if b"-" in folded:
        folded = _UUID.sub(_blank, folded)
    for row in _ROW.finditer(folded):
        if row.end() - row.start() < 7 or row.end() <= start:
            continue
        groups = [each.span() for each in _GROUP.finditer(folded, *row.span())]
        yield from _of_row(folded, groups, start)


def _of_row(folded: bytes, groups: list[tuple[int, int]], start: int) -> Iterator[Number]:
    last = len(groups) - 1
    if last == 1 and folded[groups[0][1] : groups[1][0]] == b".":
        return  # a decimal fraction
    if last == 3 and _is_address(folded, groups):
        return
    singles = len(groups) > _MOST_GROUPS and all(end - begin == 1 for begin, end in groups)
    for first, (begin, _) in enumerate(groups):
        if begin < start or (first and singles):
            continue
        sizes: list[int] = []
        for index in range(first, len(groups) if singles else min(first + _MOST_GROUPS, len(groups))):
            size = groups[index][1] - groups[index][0]
            sizes.append(size)
            total = sum(sizes)
            if total > _MOST_DIGITS:
                break
            whole_row = first == 0 and index == last
            if total >= 7 and (len(sizes) == 1 or whole_row or tuple(sizes) in _KNOWN):
                yield from _number(folded, groups, first, index, tuple(sizes))


def _is_address(folded: bytes, groups: list[tuple[int, int]]) -> bool:
    """Four numbers below 256 with dots."""
    dots = all(folded[left[1] : right[0]] == b"." for left, right in pairwise(groups))
    return dots and all(end - begin <= 3 and int(folded[begin:end]) < 256 for begin, end in groups)


def _number(
    folded: bytes, groups: list[tuple[int, int]], first: int, last: int, sizes: tuple[int, ...]
) -> Iterator[Number]:
    start, end = groups[first][0], groups[last][1]
    if not _stands_alone(folded, start, end):
        return
    if start and folded[start - 1 : start] == b"(" and b")" in folded[start:end]:
        start -= 1
    digits = b"".join([folded[begin:stop] for begin, stop in groups[first : last + 1]]).decode()
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
    elif first == 0 and digits.startswith("00"):
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
