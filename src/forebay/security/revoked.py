"""Tokens and subjects that open nothing any more, kept until no token of them can still be valid."""

from __future__ import annotations

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.security.tokens import written_down
from forebay.store.database import Database

KINDS = ("jti", "sub")


def revoke(database: Database, pepper: str, issuer: str, found: tuple[str, str], now: float, keep_s: float) -> None:
    """Revoke what `found` names at an issuer: `("jti", …)` a token, `("sub", …)` all that a subject has so far."""
    kind, value = found
    if kind not in KINDS or not value:
        raise UsageError(_("say which token or subject is revoked"), fix=_("Give --jti or --subject"))
    database.execute(
        "INSERT INTO revoked (what, issuer, kind, revoked_at, until) VALUES (?, ?, ?, ?, ?) "
        "ON CONFLICT (what) DO UPDATE SET issuer = excluded.issuer, kind = excluded.kind, "
        "revoked_at = excluded.revoked_at, until = excluded.until",
        (written_down(pepper, issuer, kind, value), issuer, kind, now, now + keep_s),
    )


def forget_ended(database: Database, now: float) -> int:
    """Remove what no token can be valid for any more; how many."""
    if database.execute("SELECT 1 FROM revoked WHERE until < ? LIMIT 1", (now,)).fetchone() is None:
        return 0  # a statement that removes nothing is a change too, and told to all machines
    return database.execute("DELETE FROM revoked WHERE until < ?", (now,)).rowcount


def revocations(database: Database, now: float) -> dict[str, float]:
    """What is revoked and since when, as workers hold it."""
    found = database.execute("SELECT what, revoked_at FROM revoked WHERE until > ? ORDER BY what", (now,))
    return {row[0]: row[1] for row in found}
