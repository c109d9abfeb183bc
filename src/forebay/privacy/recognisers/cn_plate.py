"""Number plates (GA 36-2018): a province, a letter, and five or six characters."""

from __future__ import annotations

from forebay.privacy.recogniser import LIKELY, NO, Found, Recogniser, recognisers

_PLACE = r"\x01[A-Za-z][ .-]?"
_ANY = r"[A-Za-z0-9]"


def _judge(found: Found) -> float:
    """Seven characters, or eight of a car without a tank."""
    return LIKELY if sum(character not in ". -" for character in found.text) in {7, 8} else NO


recognisers.add("cn_plate")(
    Recogniser(
        pattern=(
            rf"({_PLACE}(?:[DFdf]{_ANY}[0-9]{{4}}|[0-9]{{5}}[DFdf]"
            rf"|(?:{_ANY}{{0,3}}[0-9]{_ANY}{{0,3}}[0-9]{_ANY}{{0,3}})))(?:$|[^A-Za-z0-9])"
        ),
        gate=rf"{_PLACE}{_ANY}{{3}}",
        judge=_judge,
    )
)
