"""Social insurance numbers of Canada, with Luhn's check digit."""

from __future__ import annotations

from forebay.privacy.checksums import luhn
from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("sin", "social insurance", "nas")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (3, 3, 3):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    return digits[0] not in "08" and luhn(digits)


recognisers.add("ca_sin")(Recogniser(lengths=frozenset({9}), judge=_judge))
