"""Tax identification numbers of Germany, ISO 7064 MOD 11,10."""

from __future__ import annotations

from forebay.privacy.checksums import mod_11_10
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    first = digits[:10]
    return digits[0] != "0" and len(set(first)) in {8, 9} and mod_11_10(digits)


recognisers.add("de_tax_id")(
    Recogniser(
        lengths=frozenset({11}),
        judge=numbered(
            _is_valid,
            "steuer-id",
            "steueridentifikationsnummer",
            "steuer",
            "idnr",
            "tax id",
            "tin",
            grouped={(2, 3, 3, 3)},
        ),
    )
)
