"""Bank cards: 13 to 19 digits with Luhn's check digit, in the ranges of the card schemes, UnionPay's first."""

from __future__ import annotations

import re

from forebay.privacy.checksums import luhn
from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, counted, near, recognisers

_RANGES = re.compile(
    r"62[0-9]{11,17}|81[0-7][0-9]{13,16}|(?:60[0-9]|9558|4367)[0-9]{15}[0-9]?"  # UnionPay and banks' own
    r"|4(?:[0-9]{12}|[0-9]{15}|[0-9]{18})"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"  # Mastercard
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|095|[689][0-9])[0-9]{11,16}"  # Diners
    r"|(?:6011|64[4-9][0-9]|65[0-9]{2})[0-9]{12,15}"  # Discover
    r"|35[0-9]{14,17}"  # JCB
    r"|220[0-4][0-9]{12,15}"  # Mir
    r"|(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{9,15}"  # Maestro
)
_named = near(
    "card", "visa", "mastercard", "amex", "unionpay", "pan", "卡号", "银行卡", "信用卡", "银联", "储蓄卡", "账号"
)


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or "X" in digits or not _RANGES.fullmatch(digits) or not luhn(digits) or len(set(digits)) < 2:
        return NO
    if _named(found):
        return CERTAIN
    return UNLIKELY if len(found.groups) == 1 and counted(found) else LIKELY


recognisers.add("bank_card")(Recogniser(lengths=frozenset(range(13, 20)), judge=_judge))
