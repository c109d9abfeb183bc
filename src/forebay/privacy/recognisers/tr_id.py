"""Identity numbers of Turkey, with two check digits."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    odd, even = weighted(digits, (1, 0, 1, 0, 1, 0, 1, 0, 1)), weighted(digits, (0, 1, 0, 1, 0, 1, 0, 1))
    checks = digits[9] == str((odd * 7 - even) % 10) and digits[10] == str(sum(map(int, digits[:10])) % 10)
    return digits[0] != "0" and checks


recognisers.add("tr_id")(
    Recogniser(lengths=frozenset({11}), judge=numbered(_is_valid, "tckn", "tc kimlik", "kimlik", "t.c."))
)
