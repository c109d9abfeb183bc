"""Identity cards of Hong Kong, with a check character in or without brackets."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, NO, POSSIBLE, Found, Recogniser, near, recognisers

_named = near("hkid", "hk id", "hong kong", "香港", "身份证", "身份證", "identity")


def _judge(found: Found) -> float:
    if not _is_valid(found.text.upper()):
        return NO
    if _named(found) or found.text.endswith(")"):
        return CERTAIN
    return POSSIBLE if found.text.isupper() else NO


def _is_valid(text: str) -> bool:
    plain = text.replace("(", "").replace(")", "")
    letters = plain[:-7].rjust(2)
    values = [36 if letter == " " else ord(letter) - 55 for letter in letters] + [int(digit) for digit in plain[-7:-1]]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return plain[-1] == "0123456789A"[-total % 11]


recognisers.add("hk_id")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([A-Za-z]{1,2}[0-9]{6}(?:\([0-9Aa]\)|[0-9Aa]))(?:$|[^A-Za-z0-9])",
        gate=r"[A-Za-z][0-9]{6}(?:\([0-9Aa]|[0-9Aa])",
        judge=_judge,
    )
)
