"""Taxpayer numbers of the United States for those without a Social Security number."""

from __future__ import annotations

from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


recognisers.add("us_itin")(
    Recogniser(
        lengths=frozenset({9}), judge=numbered(_is_valid, "itin", "taxpayer", "tax id", "tin", grouped={(3, 2, 4)})
    )
)
