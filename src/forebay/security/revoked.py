"""Tokens and subjects that open nothing any more, kept until no token of them can still be valid."""

from __future__ import annotations

import sqlite3

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.security.tokens import written_down

KINDS = ("jti", "sub")


def revoke(
    database: sqlite3.Connection, pepper: str, issuer: str, found: tuple[str, str], now: float, keep_s: float
) -> None:
    """Revoke what `found` names at an issuer: `("jti", …)` a token, `("sub", …)` all that a subject has so far."""
    kind, value = found
    if kind not in KINDS or not value:
        raise UsageError(_("say which token or subject is revoked"), fix=_("Give --jti or --subject"))
    database.execute(
        "INSERT OR REPLACE INTO revoked (what, issuer, kind, revoked_at, until) VALUES (?, ?, ?, ?, ?)",
        (written_down(pepper, issuer, kind, value), issuer, kind, now, now + keep_s),
    )


def revocations(database: sqlite3.Connection, now: float) -> dict[str, float]:
    """What is revoked and since when, as workers hold it."""
    found = database.execute("SELECT what, revoked_at FROM revoked WHERE until > ? ORDER BY what", (now,))
    return {row["what"]: row["revoked_at"] for row in found}
