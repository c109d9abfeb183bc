"""DNI and NIE of Spain, with a check letter modulo 23."""

from __future__ import annotations

from forebay.privacy.recogniser import Recogniser, proven, recognisers


def _is_valid(text: str) -> bool:
    plain = text.replace("-", "")
    number = plain[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return len(plain) == 9 and number.isdigit() and "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == plain[-1]


recognisers.add("es_dni")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([XYZxyz]?[0-9]{7,8}-?[A-Za-z])(?:$|[^A-Za-z0-9])",
        gate=r"[0-9]{7}-?[A-Za-z]",
        judge=proven(_is_valid),
    )
)
