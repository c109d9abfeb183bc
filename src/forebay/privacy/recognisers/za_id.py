"""Identity numbers of South Africa: a date of birth and Luhn's check digit."""

from __future__ import annotations

from forebay.privacy.checksums import is_date, luhn
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    return is_date(1900 + int(digits[:2]), int(digits[2:4]), int(digits[4:6])) and digits[10] in "012" and luhn(digits)


recognisers.add("za_id")(
    Recogniser(
        lengths=frozenset({13}),
        judge=numbered(_is_valid, "south african id", "sa id", "id number", "id no", "identity"),
    )
)
