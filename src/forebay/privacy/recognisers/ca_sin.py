"""Social insurance numbers of Canada, with Luhn's check digit."""

from __future__ import annotations

from forebay.privacy.checksums import luhn
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    return digits[0] not in "08" and luhn(digits)


recognisers.add("ca_sin")(
    Recogniser(lengths=frozenset({9}), judge=numbered(_is_valid, "sin", "social insurance", "nas", grouped={(3, 3, 3)}))
)
