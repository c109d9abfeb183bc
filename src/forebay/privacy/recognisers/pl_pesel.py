"""PESEL numbers of Poland: a date of birth and a check digit."""

from __future__ import annotations

from forebay.privacy.checksums import is_date, weighted
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    month = int(digits[2:4])
    year = {0: 1900, 1: 2000, 2: 2100, 3: 2200, 4: 1800}[month // 20] + int(digits[:2])
    born = is_date(year, month % 20, int(digits[4:6]))
    return born and (weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) + int(digits[10])) % 10 == 0


recognisers.add("pl_pesel")(Recogniser(lengths=frozenset({11}), judge=numbered(_is_valid, "pesel")))
