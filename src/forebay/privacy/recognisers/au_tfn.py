"""Tax file numbers of Australia, modulo 11."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import CERTAIN, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("tfn", "tax file")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    return CERTAIN if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and digits != "000000000"


recognisers.add("au_tfn")(Recogniser(lengths=frozenset({9}), judge=_judge))
