"""Personal identity numbers of Sweden: a date of birth and Luhn's check digit."""

from __future__ import annotations

from forebay.privacy.checksums import is_date, luhn
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    year, rest = (int(digits[:4]), digits[4:]) if len(digits) == 12 else (1900 + int(digits[:2]), digits[2:])
    day = int(rest[2:4]) % 60
    return is_date(year, int(rest[:2]), day) and luhn(digits[-10:])


recognisers.add("se_personnummer")(
    Recogniser(
        lengths=frozenset({10, 12}),
        judge=numbered(_is_valid, "personnummer", "personnr", "samordningsnummer", grouped={(6, 4), (8, 4)}),
    )
)
