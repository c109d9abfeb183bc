"""Aadhaar numbers of India, with Verhoeff's check digit."""

from __future__ import annotations

from forebay.privacy.checksums import verhoeff
from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("aadhaar", "aadhar", "uid", "uidai")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (4, 4, 4):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    return digits[0] not in "01" and digits != digits[::-1] and verhoeff(digits)


recognisers.add("in_aadhaar")(Recogniser(lengths=frozenset({12}), judge=_judge))
