"""居民身份证: 18 characters (GB 11643-1999) with a check digit, or the 15 digits of before."""

from __future__ import annotations

from forebay.privacy.checksums import is_date, mod_11_2
from forebay.privacy.recogniser import (
    CERTAIN,
    LIKELY,
    NO,
    POSSIBLE,
    UNLIKELY,
    Found,
    Recogniser,
    counted,
    near,
    recognisers,
)

_PROVINCES = frozenset(
    # A table reads better without its quotes.
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83".split()  # noqa: SIM905
)
_named = near("身份证", "证件号", "身份證", "公民身份", "id card", "id number", "id no", "identity")


def _judge(found: Found) -> float:
    digits = found.digits
    if digits[:2] not in _PROVINCES or found.plus:
        return NO
    if len(digits) == 18:
        born = int(digits[6:10]), int(digits[10:12]), int(digits[12:14])
        return CERTAIN if is_date(*born) and mod_11_2(digits) else NO
    if "X" in digits or not is_date(1900 + int(digits[6:8]), int(digits[8:10]), int(digits[10:12])):
        return NO
    if _named(found):
        return LIKELY
    return UNLIKELY if counted(found) else POSSIBLE


recognisers.add("cn_id")(Recogniser(lengths=frozenset({15, 18}), judge=_judge))
