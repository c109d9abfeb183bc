"""Private keys in PEM and PGP armour, from the line that opens one to the line that closes it."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, Recogniser, always, recognisers

recognisers.add("private_key")(
    Recogniser(
        pattern=r"(-----BEGIN (?:[A-Z0-9]{1,12} ){0,2}PRIVATE KEY(?: BLOCK)?-----)",
        gate=r"-----BEGIN [A-Z0-9 ]{0,24}PRIVATE KEY",
        judge=always(CERTAIN),
        until=r"-----END [A-Z0-9 ]{1,40}-----",
    )
)
