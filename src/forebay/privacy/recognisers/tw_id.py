"""Identity cards and residence permits of Taiwan, with a check digit."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import Recogniser, proven, recognisers


def _is_valid(text: str) -> bool:
    first = 10 + "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0])
    second = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[1]) % 10 if text[1].isalpha() else int(text[1])
    return (first // 10 + first % 10 * 9 + second * 8 + weighted(text[2:], (7, 6, 5, 4, 3, 2, 1, 1))) % 10 == 0


recognisers.add("tw_id")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([A-Za-z][1289A-Da-d][0-9]{8})(?:$|[^A-Za-z0-9])",
        gate=r"[A-Za-z][1289A-Da-d][0-9]{8}",
        judge=proven(_is_valid),
    )
)
