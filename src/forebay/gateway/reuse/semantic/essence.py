"""What must not differ between two questions that one answer may serve. Pure.

Embeddings find texts that are about the same; they place `enable` beside `disable` and 2014 beside 2018. So the words
that carry a question's meaning are written out here, in order, and two questions are one only where these agree: every
number, negation, name, quotation and identifier, every question word, and every word that is not known to be glue.
"""

from __future__ import annotations

import re
from typing import Literal

from forebay.gateway.reuse.semantic.words import ASKS, DECIDES, ENGLISH, GLUE, OPENINGS, SYNONYMS, TURNS

Refused = Literal["language", "length", "code"]

MOST_CHARACTERS = 300
_MOST_WORDS = 50
_LEAST_ENGLISH_RATIO = 0.25
_TYPOGRAPHY = str.maketrans({"’": "'", "‘": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": ".", "\u00a0": " "})
_CODE = re.compile(r"[`{}\\\n\r\t]|://|\w\(\w*\)|[<>=!]=|->|=>|//")
# Quotations whole; words with what is inside them (3.11, parse_date, config.yaml, non-prime); signs that calculate.
_TOKEN = re.compile(r"\"[^\"]*\"|\w+(?:[.,:/_'@+-]+\w+)*[+#]*|[+*/=<>%$€£#&|^~-]", re.ASCII)


def essence(text: str) -> tuple[str, ...] | Refused:
    """The words that must agree, in order; or why a text cannot be judged."""
    text = text.translate(_TYPOGRAPHY).strip()
    if not 0 < len(text) <= MOST_CHARACTERS:
        return "length"
    if not text.isascii():
        return "language"  # the model knows few words of other languages, and the lists below none
    if _CODE.search(text):
        return "code"
    tokens = _TOKEN.findall(text)
    words = [word for token in tokens for word in _spelled(token, is_shouted=text.isupper())]
    if not words or len(words) > _MOST_WORDS:
        return "length"
    if sum(word in ENGLISH for word in words) < _LEAST_ENGLISH_RATIO * len(words):
        return "language"
    carrying = _carrying(words)
    return "length" if ASKS.issuperset(carrying) else carrying


def _carrying(words: list[str]) -> tuple[str, ...]:
    words = _turned(_without_openings(words))
    if words[0] in DECIDES:
        carrying, rest = [DECIDES[words[0]]], words[1:]
    else:
        carrying, rest = [], _without_auxiliary(words)
    carrying += [_FIRST.get(stem, stem) for stem in (_stem(word) for word in rest if word not in GLUE)]
    return tuple(carrying)


def _without_auxiliary(words: list[str]) -> list[str]:
    """`words` without the `do` that only makes a question; in `what do judges do` the second one is what is asked."""
    for index in range(1, min(4, len(words) - 1)):
        if words[index] in {"do", "does"} and words[index - 1] != "to":
            return words[:index] + words[index + 1 :]
    return words


def _spelled(token: str, *, is_shouted: bool) -> list[str]:
    """A token as words. Quotations, and words in capitals or with a digit inside, stay as they are."""
    if token[0] == '"' or _is_name(token, is_shouted=is_shouted):
        return [token]
    word = token.lower()
    if word == "cannot":
        return ["can", "not"]
    if word.endswith("n't"):
        return [_SHORTENED.get(word[:-3], word[:-3]), "not"]
    stem, mark, ending = word.partition("'")
    return [stem, *_ENDINGS[ending]] if mark and ending in _ENDINGS else [word]


def _is_name(word: str, *, is_shouted: bool) -> bool:
    if any(map(str.isdigit, word)):
        return True
    # `A` is a name where it is no article; at the start of a sentence one hit is lost.
    return word.isupper() and word != "I" and (len(word) == 1 or not is_shouted)


_SHORTENED = {"ca": "can", "wo": "will", "sha": "shall"}
_ENDINGS: dict[str, tuple[str, ...]] = {
    "s": (),
    "m": ("am",),
    "re": ("are",),
    "ve": ("have",),
    "ll": ("will",),
    "d": ("would",),
    "": (),
}


def _without_openings(words: list[str]) -> list[str]:
    while True:
        for opening in OPENINGS:
            if len(words) > len(opening) and tuple(words[: len(opening)]) == opening:
                words = words[len(opening) :]
                break
        else:
            return words


def _turned(words: list[str]) -> list[str]:
    """`words` with every turn of phrase rewritten, the first that fits at each place."""
    written: list[str] = []
    index = 0
    while index < len(words):
        for phrase, plain in _TURNS_BY_FIRST.get(words[index], ()):
            if tuple(words[index : index + len(phrase)]) == phrase:
                written += plain
                index += len(phrase)
                break
        else:
            written.append(words[index])
            index += 1
    return written


_TURNS_BY_FIRST: dict[str, list[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
for _turn in TURNS:
    _TURNS_BY_FIRST.setdefault(_turn[0][0], []).append(_turn)


def _stem(word: str) -> str:
    """One form for singular and plural. Others stay apart: `cooking` is no cook, what was done is no plan."""
    if len(word) < 4 or not word.isalpha() or not word.islower():
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


_FIRST = {_stem(word): _stem(group[0]) for group in SYNONYMS for word in group}
