"""What the operator looks for without code: expressions become recognisers, words a list of words."""

from __future__ import annotations

import re
from collections.abc import Iterable

import re2

from forebay.privacy.policy import Pattern
from forebay.privacy.recogniser import LIKELY, NO, Judge, Recogniser, always, near
from forebay.privacy.words import WordList, Words

# Where a text begins and ends is not known while it comes.
_ANCHOR = re.compile(r"\\[AzZ]|[$^]")
_NO_ANCHOR = re.compile(r"\\[^AzZ]|\[\^?\]?(?:\\.|[^\]])*\]")


class BadPattern(ValueError):
    """An expression that cannot be used."""


def recogniser_of(pattern: Pattern) -> Recogniser:
    """The recogniser of an entry's expression; raises BadPattern."""
    _check(pattern.expression)
    return Recogniser(pattern=f"((?i:{pattern.expression}))", judge=_judge(pattern.near), anywhere=True, back=0)


def words_of(patterns: Iterable[Pattern]) -> Words | None:
    """The words of all entries made ready; None where there are none. Raises BadWords."""
    lists = {
        each.name: WordList(words, tuple(word.lower() for word in each.near))
        for each in patterns
        if (words := (*each.words, *listed(each.listed)))
    }
    return Words(lists) if lists else None


def listed(text: str) -> tuple[str, ...]:
    """The words of a file: one a line, but for empty lines and those that begin with `#`."""
    lines = (line.strip() for line in text.lstrip("\ufeff").splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def _check(expression: str) -> None:
    if len(expression) > 1_000:
        raise BadPattern("it is longer than 1000 characters")
    try:
        compiled = re2.compile(expression.encode())
    except re2.error as error:
        raise BadPattern(f"RE2 does not take it: {error}") from None
    if _ANCHOR.search(_NO_ANCHOR.sub("", expression)):
        raise BadPattern("it asks where a text begins or ends; write \\\\b for the edge of a word")
    if compiled.groups:
        raise BadPattern("it holds a group; write (?:...) instead")
    if compiled.search(b"") is not None:
        raise BadPattern("it matches the empty text")


def _judge(named_by: tuple[str, ...]) -> Judge:
    if not named_by:
        return always(LIKELY)
    named = near(*(word.lower() for word in named_by))
    return lambda found: LIKELY if named(found) else NO
