"""Permanent account numbers of India."""

from __future__ import annotations

from forebay.privacy.recogniser import CERTAIN, UNLIKELY, Found, Recogniser, near, recognisers

_named = near("pan", "permanent account", "income tax")


def _judge(found: Found) -> float:
    return CERTAIN if _named(found) else UNLIKELY


recognisers.add("in_pan")(
    Recogniser(
        pattern=r"(?:^|[^A-Za-z0-9])([A-Za-z]{3}[ABCFGHLJPTabcfghljpt][A-Za-z][0-9]{4}[A-Za-z])(?:$|[^A-Za-z0-9])",
        gate=r"[A-Za-z]{5}[0-9]{4}[A-Za-z]",
        judge=_judge,
    )
)
