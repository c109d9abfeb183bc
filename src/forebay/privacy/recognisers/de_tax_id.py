"""Tax identification numbers of Germany, ISO 7064 MOD 11,10."""

from __future__ import annotations

from forebay.privacy.checksums import mod_11_10
from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("steuer-id", "steueridentifikationsnummer", "steuer", "idnr", "tax id", "tin")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (2, 3, 3, 3):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    first = digits[:10]
    return digits[0] != "0" and len(set(first)) in {8, 9} and mod_11_10(digits)


recognisers.add("de_tax_id")(Recogniser(lengths=frozenset({11}), judge=_judge))
