"""The keys that open something now, as probes look at them."""

from __future__ import annotations

from forebay.ops.compliance.run import Subject
from forebay.security import key_store
from forebay.store.sqlite import connect


def keys_in_force(subject: Subject) -> list[key_store.KeyRow] | None:
    """None where there is no store of keys yet."""
    if not subject.state.database.exists():
        return None
    database = connect(subject.state.database)
    try:
        return [row for row in key_store.rows(database) if row.state(subject.now_s) == "active"]
    finally:
        database.close()
