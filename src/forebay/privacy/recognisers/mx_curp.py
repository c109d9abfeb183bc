"""CURP of Mexico, with a check digit."""

from __future__ import annotations

from forebay.privacy.recogniser import Recogniser, proven, recognisers


def _is_valid(text: str) -> bool:
    alphabet = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ"
    total = sum(alphabet.index(character) * (18 - index) for index, character in enumerate(text[:17]))
    return (10 - total % 10) % 10 == int(text[17])


recognisers.add("mx_curp")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([A-Za-z]{4}[0-9]{6}[HMXhmx][A-Za-z]{5}[0-9A-Za-z][0-9])(?:$|[^A-Za-z0-9])",
        gate=r"[A-Za-z]{4}[0-9]{6}[HMXhmx][A-Za-z]{5}",
        judge=proven(_is_valid),
    )
)
