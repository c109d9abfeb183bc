"""Social Security numbers of the United States: no check digit, but areas and groups that were never given out."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("ssn", "social security", "social security number", "social")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (3, 2, 4):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000" and digits != "078051120"


recognisers.add("us_ssn")(Recogniser(lengths=frozenset({9}), judge=_judge))
