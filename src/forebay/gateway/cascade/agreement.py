"""How far two answers agree in their words. A measure of likeness, not of quality: both may be wrong. Pure."""

from __future__ import annotations

import re
from collections import Counter

# A word, or one character of a script that is written without spaces between words.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def is_exact(one: str, other: str) -> bool:
    """Whether they are the same text but for white space."""
    return one.split() == other.split()


def overlap_f1(one: str, other: str) -> float:
    """The harmonic mean of the parts of each one's words that the other has too, repeated ones counted; 0 to 1.

    As SQuAD scores answers (Rajpurkar et al., 2016), without leaving out articles.
    """
    words, others = Counter(_WORD.findall(one.lower())), Counter(_WORD.findall(other.lower()))
    if not words or not others:
        return float(is_exact(one, other))
    shared = (words & others).total()
    return 2 * shared / (words.total() + others.total())
