"""Individual numbers of Japan, modulo 11."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    remainder = weighted(digits, (6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return digits[11] == str(0 if remainder <= 1 else 11 - remainder)


recognisers.add("jp_my_number")(
    Recogniser(lengths=frozenset({12}), judge=numbered(_is_valid, "マイナンバー", "個人番号", "my number", "mynumber"))
)
