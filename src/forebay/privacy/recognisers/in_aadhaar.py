"""Aadhaar numbers of India, with Verhoeff's check digit."""

from __future__ import annotations

from forebay.privacy.checksums import verhoeff
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    return digits[0] not in "01" and digits != digits[::-1] and verhoeff(digits)


recognisers.add("in_aadhaar")(
    Recogniser(
        lengths=frozenset({12}), judge=numbered(_is_valid, "aadhaar", "aadhar", "uid", "uidai", grouped={(4, 4, 4)})
    )
)
