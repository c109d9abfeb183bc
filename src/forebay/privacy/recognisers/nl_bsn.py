"""Citizen service numbers of the Netherlands, by the eleven test."""

from __future__ import annotations

from forebay.privacy.checksums import weighted
from forebay.privacy.recogniser import Recogniser, numbered, recognisers


def _is_valid(digits: str) -> bool:
    return digits != "000000000" and weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


recognisers.add("nl_bsn")(
    Recogniser(lengths=frozenset({9}), judge=numbered(_is_valid, "bsn", "burgerservicenummer", "sofi"))
)
