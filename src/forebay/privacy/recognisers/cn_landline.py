"""Chinese landlines: an area code from 010 to 0999, then seven or eight digits that begin with 2 to 8."""

from __future__ import annotations

import re

from forebay.privacy.recogniser import (
    LIKELY,
    NO,
    POSSIBLE,
    UNLIKELY,
    Found,
    Recogniser,
    counted,
    in_address,
    near,
    recognisers,
)

_NATIONAL = re.compile(r"0(?:10|2[0-57-9])[2-8][0-9]{7}|0[3-9][0-9]{2}[2-8][0-9]{6,7}")
_named = near("电话", "座机", "固话", "传真", "热线", "致电", "tel", "telephone", "phone", "fax", "call")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus:
        digits = "0" + digits[2:] if digits.startswith("86") else ""
    if not _NATIONAL.fullmatch(digits):
        return NO
    if len(found.groups) > 1 or found.plus or _named(found):
        return LIKELY
    return UNLIKELY if counted(found) or in_address(found) else POSSIBLE


recognisers.add("cn_landline")(Recogniser(lengths=frozenset({10, 11, 12, 13, 14}), judge=_judge))
