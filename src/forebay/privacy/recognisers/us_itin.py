"""Taxpayer numbers of the United States for those without a Social Security number."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("itin", "taxpayer", "tax id", "tin")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (3, 2, 4):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


recognisers.add("us_itin")(Recogniser(lengths=frozenset({9}), judge=_judge))
