"""What is kept of the holder of an API key beside the audit log: the key itself, and what the watch has seen of it."""

from __future__ import annotations

from typing import Any

import msgspec

from forebay.cli.flags import Flags
from forebay.cli.key_opening import opened_keys
from forebay.gateway.uses import last_used
from forebay.ops.watch.main import read_anomalies, read_habits
from forebay.security import key_store
from forebay.security.key_store import UnknownKey


def kept_of_holder(flags: Flags, identity: str) -> dict[str, Any]:
    """For the holder: everything but the key's digest, which is of no use to them."""
    with opened_keys(flags) as (state, keys):
        try:
            key = msgspec.to_builtins(key_store.find(keys.database, identity))
        except UnknownKey:
            return {}
        used = last_used(state, keys.used_elsewhere()).get(identity)
    key.pop("digest")
    anomalies = [each for each in read_anomalies(state) if each.key_id == identity]
    return {"key": {**key, "last_used": used}, "habits": read_habits(state, identity), "anomalies": anomalies}
