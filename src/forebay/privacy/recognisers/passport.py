"""Passports: Chinese ones by their form, others where a word says so."""

from __future__ import annotations

import re

from forebay.privacy.recogniser import LIKELY, NO, POSSIBLE, Found, Recogniser, near, recognisers

_CHINESE = re.compile(r"E[0-9]{8}|E[A-HJ-NP-Z][0-9]{7}")
_named = near("passport", "passport no", "passport number", "护照", "护照号", "pass", "passeport", "reisepass")


def _judge(found: Found) -> float:
    if _named(found):
        return LIKELY
    return POSSIBLE if _CHINESE.fullmatch(found.text) else NO


recognisers.add("passport")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9._-])([A-Za-z]{0,2}[0-9]{6,9}[A-Za-z]?)(?:$|[^A-Za-z0-9.-]|[.-](?:$|[^A-Za-z0-9]))",
        gate=r"[0-9]{6}",
        judge=_judge,
    )
)
