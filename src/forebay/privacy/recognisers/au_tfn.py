"""Tax file numbers of Australia, modulo 11."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    return weighted(digits, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0 and digits != "000000000"


recognisers.add("au_tfn")(Recogniser(lengths=frozenset({9}), judge=numbered(_is_valid, "tfn", "tax file")))
