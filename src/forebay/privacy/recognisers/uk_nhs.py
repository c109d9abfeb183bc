"""NHS numbers of the United Kingdom, modulo 11."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("nhs", "nhs number", "nhs no", "health number")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (3, 3, 4):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    return -weighted(digits, range(10, 1, -1)) % 11 == int(digits[9])


recognisers.add("uk_nhs")(Recogniser(lengths=frozenset({10}), judge=_judge))
