"""The tables in PostgreSQL, and how they came about. Every change there is numbered, and told to who listens."""

from __future__ import annotations

# One entry a version: what turns the tables before it into these. Append, never edit.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE keys (
            id text PRIMARY KEY, digest text NOT NULL UNIQUE, tenant text NOT NULL, scopes text NOT NULL,
            name text NOT NULL DEFAULT '', created_at double precision NOT NULL, expires_at double precision,
            revoked_at double precision, not_before double precision, networks text NOT NULL DEFAULT '[]',
            suspended text
        )""",
        """CREATE TABLE revoked (
            what text PRIMARY KEY, issuer text NOT NULL, kind text NOT NULL, revoked_at double precision NOT NULL,
            until double precision NOT NULL
        )""",
        "CREATE TABLE facts (name text PRIMARY KEY, value text NOT NULL)",
        """CREATE TABLE machines (
            id text PRIMARY KEY, revision bigint NOT NULL, grace_s double precision NOT NULL,
            told_at timestamptz NOT NULL
        )""",
        "CREATE TABLE uses (key text PRIMARY KEY, used_at double precision NOT NULL)",
        "CREATE TABLE changes (one boolean PRIMARY KEY DEFAULT true CHECK (one), revision bigint NOT NULL)",
        "INSERT INTO changes (revision) VALUES (0)",
        # Before the statement: who writes takes this row first, and so waits for whoever holds it in a transaction.
        """CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                EXECUTE format('UPDATE %I.changes SET revision = revision + 1', TG_TABLE_SCHEMA);
                PERFORM pg_notify(TG_TABLE_SCHEMA || '_changes', '');
                RETURN NULL;
            END
        $$""",
        """CREATE TRIGGER noted BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON keys
            FOR EACH STATEMENT EXECUTE FUNCTION note_change()""",
        """CREATE TRIGGER noted BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON revoked
            FOR EACH STATEMENT EXECUTE FUNCTION note_change()""",
    ),
)
VERSION = len(MIGRATIONS)


def channel(tables: str) -> str:
    """Where changes are told."""
    return f"{tables}_changes"
