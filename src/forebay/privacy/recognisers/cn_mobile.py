"""Chinese mobile numbers: 11 digits in the ranges that are given out, perhaps behind 86."""

from __future__ import annotations

import re

from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, counted, recognisers

_RANGES = re.compile(r"1(?:3[0-9]|4[014-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])[0-9]{8}")


def _judge(found: Found) -> float:
    digits = found.digits
    if len(digits) == 13:
        if not digits.startswith("86"):
            return NO
        return CERTAIN if _RANGES.fullmatch(digits, 2) else NO
    if found.plus or not _RANGES.fullmatch(digits):
        return NO
    return UNLIKELY if counted(found) else LIKELY


recognisers.add("cn_mobile")(Recogniser(lengths=frozenset({11, 13}), judge=_judge))
