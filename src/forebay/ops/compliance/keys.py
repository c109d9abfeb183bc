"""The keys that open something now, as probes look at them."""

from __future__ import annotations

from forebay.ops.compliance.run import Subject
from forebay.security import key_store
from forebay.security.stores import opened


def keys_in_force(subject: Subject) -> list[key_store.KeyRow] | None:
    """None where there is no store of keys yet."""
    store, state = subject.loaded.config.store, subject.state
    if store.postgres is None and not state.database.exists():
        return None
    with opened(store, state, subject.loaded.path.resolve().parent) as keys:
        return [row for row in key_store.rows(keys.database) if row.state(subject.now_s) == "active"]
