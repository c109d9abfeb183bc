"""Recognisers that the operator wrote into the configuration: words and patterns, no code."""

from __future__ import annotations

import re

import re2

from forebay.privacy.fold import Folder
from forebay.privacy.policy import Pattern
from forebay.privacy.recogniser import LIKELY, NO, Found, Judge, Recogniser, near

LONGEST_WORD_CHARACTERS = 120
MOST_PHRASES = 200
# Where a text begins and ends is not known while it comes.
_ANCHOR = re.compile(r"\\[AzZ]|[$^]")
_NO_ANCHOR = re.compile(r"\\[^AzZ]|\[\^?\]?(?:\\.|[^\]])*\]")


class BadPattern(ValueError):
    """An expression that cannot be used."""


def of_operator(pattern: Pattern) -> Recogniser:
    """The recogniser of one entry; raises BadPattern."""
    words = [" ".join(word.split()) for word in pattern.words]
    if any(not word or len(word) > LONGEST_WORD_CHARACTERS for word in words):
        raise BadPattern(f"a word has 1 to {LONGEST_WORD_CHARACTERS} characters")
    more = _meaningless("".join(words))
    alternatives = [_written(word, Folder(more)) for word in words]
    if pattern.expression:
        _check(pattern.expression)
        alternatives.append(pattern.expression)
    expression = "|".join(f"(?:{each})" for each in alternatives)
    phrases = tuple(word for word in words if " " in word)
    if len(phrases) > MOST_PHRASES:
        raise BadPattern(f"at most {MOST_PHRASES} words may hold spaces")
    judge = _judge(words, more, pattern.near)
    return Recogniser(pattern=f"((?i:{expression}))", more=more, phrases=phrases, judge=judge, anywhere=True)


def _meaningless(text: str) -> str:
    """The characters that no other recogniser looks at."""
    folded = Folder()
    return "".join(sorted({each for each in text if not each.isascii() and folded.fold(each) == b"?"}))


def _written(word: str, folder: Folder) -> str:
    """A word as recognisers see it; it stands alone where it begins and ends as words do."""
    folded = folder.fold(word).decode()
    escaped = "".join(each if each.isalnum() or each == " " else f"\\x{ord(each):02x}" for each in folded)
    first, last = (r"\b" if each.isalnum() else "" for each in (folded[:1], folded[-1:]))
    return first + escaped + last


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


def _judge(words: list[str], more: str, named_by: tuple[str, ...]) -> Judge:
    named = near(*(word.lower() for word in named_by)) if named_by else None
    # Many characters share a sign: which of them were written decides.
    known = {_only(word, more) for word in words} | {""}

    def judge(found: Found) -> float:
        if more and _only(found.written, more) not in known:
            return NO
        return LIKELY if named is None or named(found) else NO

    return judge


def _only(text: str, characters: str) -> str:
    return "".join(each for each in text if each in characters)
