"""Codici fiscali of Italy, with a check letter."""

from __future__ import annotations

from forebay.privacy.recogniser import Recogniser, proven, recognisers

# By the value of a character to the base of 36, at odd places.
_LETTERS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ODD = (*_LETTERS[:10], *_LETTERS)


def _even(character: str) -> int:
    return int(character) if character.isdigit() else ord(character) - ord("A")


def _is_valid(text: str) -> bool:
    total = sum(
        _ODD[int(character, 36)] if index % 2 == 0 else _even(character) for index, character in enumerate(text[:15])
    )
    return chr(ord("A") + total % 26) == text[15] and any(character.isdigit() for character in text)


recognisers.add("it_codice_fiscale")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([A-Za-z]{6}[0-9LMNPQRSTUVlmnpqrstuv]{2}[A-EHLMPRSTa-ehlmprst][0-9LMNPQRSTUVlmnpqrstuv]{2}[A-Za-z][0-9LMNPQRSTUVlmnpqrstuv]{3}[A-Za-z])(?:$|[^A-Za-z0-9])",
        gate=r"[A-Za-z]{6}[0-9LMNPQRSTUVlmnpqrstuv]{2}[A-EHLMPRSTa-ehlmprst][0-9LMNPQRSTUVlmnpqrstuv]{2}[A-Za-z]",
        judge=proven(_is_valid),
    )
)
