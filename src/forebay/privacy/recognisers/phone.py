"""Telephone numbers of any country, as libphonenumber knows them: with a plus sign, or as written in North America."""

from __future__ import annotations

import re

import phonenumbers

from forebay.privacy.recogniser import (
    CERTAIN,
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

_AMERICAN = re.compile(r"(?:1[ .-]?)?\(?[2-9][0-9]{2}\)?[ .-]{1,2}[2-9][0-9]{2}[ .-][0-9]{4}")
_named = near("tel", "phone", "call", "fax", "mobile", "cell", "telephone", "whatsapp", "sms", "电话", "手机", "致电")


def _judge(found: Found) -> float:
    if found.plus:
        if not _is_valid("+" + found.digits, None):
            return NO
        if found.text.startswith(("+", "(+")):
            return CERTAIN
        return UNLIKELY if counted(found) or in_address(found) else LIKELY
    if _AMERICAN.fullmatch(found.text.removeprefix("(")) and _is_valid(found.digits, "US"):
        return LIKELY
    if len(found.digits) in {10, 11} and _named(found) and _is_valid(found.digits, "US"):
        return POSSIBLE
    return NO


def _is_valid(text: str, region: str | None) -> bool:
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(text, region)))
    except phonenumbers.NumberParseException:
        return False


recognisers.add("phone")(Recogniser(lengths=frozenset(range(8, 17)), judge=_judge))
