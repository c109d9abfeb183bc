"""Personal identity codes of Finland, with a check character modulo 31."""

from __future__ import annotations

from forebay.privacy.checksums import is_date
from forebay.privacy.recogniser import Recogniser, proven, recognisers


def _is_valid(text: str) -> bool:
    check = "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(text[:6] + text[7:10]) % 31]
    return is_date(1900 + int(text[4:6]), int(text[2:4]), int(text[:2])) and text[10] == check


recognisers.add("fi_hetu")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([0-9]{6}[-+A-FU-Ya-fu-y][0-9]{3}[0-9A-Ya-y])(?:$|[^A-Za-z0-9])",
        gate=r"[0-9]{6}[-+A-FU-Ya-fu-y][0-9]{3}[0-9A-Ya-y]",
        judge=proven(_is_valid),
    )
)
