"""Social security numbers of France, modulo 97."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("nir", "securite sociale", "sécurité sociale", "insee", "social")


def _judge(found: Found) -> float:
    digits = found.digits
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if found.groups == (1, 2, 2, 2, 3, 3, 2):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _is_valid(digits: str) -> bool:
    month = int(digits[3:5])
    return (
        digits[0] in "1278"
        and (1 <= month <= 12 or 20 <= month <= 42)
        and 97 - int(digits[:13]) % 97 == int(digits[13:])
    )


recognisers.add("fr_nir")(Recogniser(lengths=frozenset({15}), judge=_judge))
