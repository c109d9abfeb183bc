"""NRIC and FIN of Singapore, with a check letter."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import Recogniser, proven, recognisers


def _is_valid(text: str) -> bool:
    kind, total = text[0], weighted(text[1:8], (2, 7, 6, 5, 4, 3, 2))
    offset = {"S": 0, "F": 0, "T": 4, "G": 4, "M": 3}[kind]
    letters = "JZIHGFEDCBA" if kind in "ST" else "XWUTRQPNMLK" if kind in "FG" else "XWUTRQPNJLK"
    index = (total + offset) % 11
    return letters[10 - index if kind == "M" else index] == text[8]


recognisers.add("sg_nric")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([STFGMstfgm][0-9]{7}[A-Za-z])(?:$|[^A-Za-z0-9])",
        gate=r"[STFGMstfgm][0-9]{7}[A-Za-z]",
        judge=proven(_is_valid),
    )
)
