"""Social security numbers of France, modulo 97."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, LIKELY, NO, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("nir", "securite sociale", "sécurité sociale", "insee", "social")


def _judge(found: Found) -> float:
    digits = found.digits or _of_corsica(found.text.upper())
    if found.plus or not digits.isdigit() or not _is_valid(digits):
        return NO
    named = _named(found)
    if not found.digits or found.groups == (1, 2, 2, 2, 3, 3, 2):
        return CERTAIN if named else LIKELY
    return LIKELY if named else UNLIKELY


def _of_corsica(text: str) -> str:
    """Departments 2A and 2B count as 19 and 18."""
    return text.replace("2A", "19").replace("2B", "18")


def _is_valid(digits: str) -> bool:
    month = int(digits[3:5])
    return (
        digits[0] in "1278"
        and (1 <= month <= 12 or 20 <= month <= 42)
        and 97 - int(digits[:13]) % 97 == int(digits[13:])
    )


recognisers.add("fr_nir")(
    Recogniser(
        lengths=frozenset({15}),
        pattern=r"(?:^|[^A-Za-z0-9])([1278][0-9]{4}2[ABab][0-9]{8})(?:$|[^A-Za-z0-9])",
        gate=r"[0-9]{4}2[ABab][0-9]{8}",
        judge=_judge,
    )
)
