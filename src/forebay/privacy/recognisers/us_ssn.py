"""Social Security numbers of the United States: no check digit, but areas and groups that were never given out."""

from __future__ import annotations

from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in {"000", "666"} and area < "900" and group != "00" and serial != "0000" and digits != "078051120"


recognisers.add("us_ssn")(
    Recogniser(
        lengths=frozenset({9}),
        judge=numbered(_is_valid, "ssn", "social security", "social security number", "social", grouped={(3, 2, 4)}),
    )
)
