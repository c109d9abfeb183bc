"""Resident registration numbers of Korea: a date of birth, and a check digit until 2020."""

from __future__ import annotations

from forebay.privacy.checksums import is_date, weighted
from forebay.privacy.recogniser import Recogniser, numbered, recognisers

# By the digit behind the date.
_CENTURIES = (1800, 1900, 1900, 2000, 2000, 1900, 1900, 2000, 2000, 1800)


def _is_valid(digits: str) -> bool:
    year = _CENTURIES[int(digits[6])]
    born = is_date(year + int(digits[:2]), int(digits[2:4]), int(digits[4:6]))
    check = (11 - weighted(digits, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return born and (check == int(digits[12]) or (year == 2000 and int(digits[:2]) >= 20))


recognisers.add("kr_rrn")(
    Recogniser(
        lengths=frozenset({13}),
        judge=numbered(_is_valid, "rrn", "주민등록번호", "주민번호", "resident registration", grouped={(6, 7)}),
    )
)
