"""What a recogniser is, and the registry of all of them. Pure: text comes in, a judgement goes out."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection

import msgspec

from forebay.core.registry import Registry

CERTAIN, LIKELY, POSSIBLE, UNLIKELY, NO = 1.0, 0.9, 0.6, 0.3, 0.0
"""Scores: a check digit and a form or context of its own; either; a form that other things have too; neither."""

BEFORE_CHARACTERS = 48
"""How much text before a value its recogniser may look at."""

SHORTEST_CHARACTERS = 6
"""How long a value is at least, but for addresses with `::` and what the operator looks for."""

LONGEST_CHARACTERS = 320
"""How long a value may be, with everything that stands in it; what `extends` or has an `until` may be longer."""


class Found(msgspec.Struct, frozen=True, gc=False):
    """What may be a value. `text` is folded, `before` is not, but in lower case.

    Of a number, `digits` are its digits (and a closing X), `groups` how many stood together each time, and `plus`
    says that a plus sign or 00 stood before it.
    """

    text: str
    before: str
    digits: str = ""
    groups: tuple[int, ...] = ()
    plus: bool = False


Judge = Callable[[Found], float]


class Recogniser(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of value.

    Either a `pattern` (RE2 over folded text; what is not ASCII is `?` in it) whose first group is the value, or the
    `lengths` that a number has in digits. `judge` gives the score of what was found. `gate`: a simpler pattern that is
    found wherever this one is, if this one is not simple.

    `back` is how far before a value its pattern begins at most. `needs` must stand somewhere in the text. `anywhere`:
    values may begin in the midst of letters and digits, and be short.

    `extends`: the value goes on as long as these characters follow; `until`: to the end of what this matches.
    """

    pattern: str = ""
    gate: str = ""
    lengths: frozenset[int] = frozenset()
    judge: Judge
    needs: bytes = b""
    back: int = 16
    anywhere: bool = False
    extends: str = ""
    until: str = ""


recognisers: Registry[Recogniser] = Registry("recogniser")


def load() -> Registry[Recogniser]:
    """The registry with every recogniser in it."""
    return recognisers.load("forebay.privacy.recognisers")


def always(score: float) -> Judge:
    """The form alone decides."""
    return lambda _found: score


def proven(is_valid: Callable[[str], bool]) -> Judge:
    """The check character decides alone; `is_valid` is asked in capital letters."""
    return lambda found: CERTAIN if is_valid(found.text.upper()) else NO


def numbered(is_valid: Callable[[str], bool], *words: str, grouped: Collection[tuple[int, ...]] = ()) -> Judge:
    """A number whose digits are valid; how sure that makes it, one of `words` before it says, and how it is `grouped`.

    Without groups of its own such a number is written like any other, and the words are all there is to go by.
    """
    named = preceded(*words)

    def judge(found: Found) -> float:
        digits = found.digits
        if found.plus or not digits.isdigit() or not is_valid(digits):
            return NO
        if not grouped:
            return CERTAIN if named(found.before) else UNLIKELY
        if found.groups in grouped:
            return CERTAIN if named(found.before) else LIKELY
        return LIKELY if named(found.before) else UNLIKELY

    return judge


def near(*words: str) -> Callable[[Found], bool]:
    """Whether one of `words` stands shortly before a value."""
    named = preceded(*words)
    return lambda found: named(found.before)


def preceded(*words: str) -> Callable[[str], bool]:
    """Whether one of `words` stands in a text in lower case; words in Latin letters must stand alone."""
    plain = [re.escape(word) for word in words if word.isascii()]
    other = [re.escape(word) for word in words if not word.isascii()]
    expressions = [r"(?<![a-z])(?:" + "|".join(plain) + r")(?![a-z])"] if plain else []
    expression = re.compile("|".join(expressions + other))
    return lambda before: expression.search(before) is not None


# Numbers that people count things with have these words right before them, and pass a check digit one time in ten.
_COUNTED = re.compile(
    r"(?:order|tracking|invoice|ticket|sku|serial|timestamp|ts|build|commit|trace|request|session|transaction"
    r"|订单|单号|流水|编号|序列号|运单|快递)[^0-9]{0,8}\Z"
)


_IN_ADDRESS = re.compile(r"://[^\s]*[/=]\Z")


def in_address(found: Found) -> bool:
    """Whether a number is part of a URL, as ids are."""
    return _IN_ADDRESS.search(found.before) is not None


def counted(found: Found) -> bool:
    """Whether a number is one that counts orders, tickets or seconds, by the word before it."""
    return len(found.groups) <= 1 and _COUNTED.search(found.before) is not None
