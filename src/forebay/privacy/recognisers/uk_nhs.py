"""NHS numbers of the United Kingdom, modulo 11."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    return -weighted(digits, range(10, 1, -1)) % 11 == int(digits[9])


recognisers.add("uk_nhs")(
    Recogniser(
        lengths=frozenset({10}),
        judge=numbered(_is_valid, "nhs", "nhs number", "nhs no", "health number", grouped={(3, 3, 4)}),
    )
)
