"""Citizen service numbers of the Netherlands, by the eleven test."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import CERTAIN, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("bsn", "burgerservicenummer", "sofi")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    return CERTAIN if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    return digits != "000000000" and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


recognisers.add("nl_bsn")(Recogniser(lengths=frozenset({9}), judge=_judge))
