"""Identity cards of Macau, where their form or a word says so: no check digit is published."""

from __future__ import annotations

from forebay.privacy.recogniser import LIKELY, NO, POSSIBLE, Found, Recogniser, near, recognisers

_named = near("macau", "macao", "bir", "澳门", "澳門", "身份证", "身份證")


def _judge(found: Found) -> float:
    if _named(found):
        return LIKELY
    return POSSIBLE if "(" in found.text else NO


recognisers.add("mo_id")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([157][0-9]{6}(?:\([0-9]\)|/[0-9]))(?:$|[^A-Za-z0-9])",
        gate=r"[157][0-9]{6}[(/][0-9]",
        judge=_judge,
    )
)
