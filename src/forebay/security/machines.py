"""The machines that share a store of keys: what each has told that all its gateways hold."""

from __future__ import annotations

import json
import re
import secrets
import socket
from collections.abc import Mapping

import msgspec

from forebay.core.files import write_once
from forebay.messages import _
from forebay.store.database import Database
from forebay.store.state_dir import StateDir

# Clocks of machines do not run equally fast, and a gateway looks once a second whether its keys are still believed.
_MARGIN_S = 5.0
_SILENT_S = 10.0
_TOKEN = re.compile(r"[0-9a-f]{16}")


class Machine(msgspec.Struct, frozen=True):
    """A machine that may hold other keys than the store. `silent_s`: since when it has told nothing; `closed_in_s`:
    when its gateways refuse all keys, if it stays silent."""

    name: str
    silent_s: float
    closed_in_s: float

    def __str__(self) -> str:
        if self.silent_s < _SILENT_S:
            return self.name
        text = _("{machine} (not heard for {silent:.0f} s, takes no key any more in {rest:.0f} s)")
        return text.format(machine=self.name, silent=self.silent_s, rest=self.closed_in_s)


def revision(database: Database) -> int:
    """The number of the last change."""
    return int(database.execute("SELECT revision FROM changes").fetchone()[0])


def machine_id(state: StateDir) -> str:
    """This machine: a host, a state directory on it, and what tells it from a container with the same two."""
    while (token := _token(state)) is None:  # read anew: another process may have been the first
        write_once(state.machine, f"{secrets.token_hex(8)}\n".encode())
    return f"{socket.gethostname()}:{state.root.resolve()}#{token}"


def tell(database: Database, machine: str, taken: int, grace_s: float) -> None:
    """All gateways of this machine hold what the store said at revision `taken`."""
    database.execute(
        "INSERT INTO machines (id, revision, grace_s, told_at) VALUES (?, ?, ?, clock_timestamp()) ON CONFLICT (id) "
        "DO UPDATE SET revision = excluded.revision, grace_s = excluded.grace_s, told_at = excluded.told_at",
        (machine, taken, grace_s),
    )


def forget(database: Database, machine: str) -> None:
    """The machine's gateways have ended: nobody needs to wait for them."""
    database.execute("DELETE FROM machines WHERE id = ?", (machine,))


def behind(database: Database, wanted: int, besides: str) -> tuple[Machine, ...]:
    """Machines whose gateways may not hold `wanted` yet; those silent for their grace refuse all keys.

    `besides`: the machine that asks, which sees its own gateways.
    """
    found = database.execute(
        "SELECT id, extract(epoch FROM clock_timestamp() - told_at)::float8, grace_s FROM machines "
        "WHERE revision < ? AND id <> ? ORDER BY id",
        (wanted, besides),
    )
    late = (
        Machine(name.rsplit("#", 1)[0], silent_s, grace_s + _MARGIN_S - silent_s) for name, silent_s, grace_s in found
    )
    return tuple(machine for machine in late if machine.closed_in_s > 0)


def note_uses(database: Database, used: Mapping[str, float]) -> None:
    """When keys were used last on this machine, in epoch seconds."""
    if used:  # in the order of keys: two machines that tell at once must not wait for each other
        database.execute(
            "INSERT INTO uses (key, used_at) SELECT key, value::float8 FROM json_each_text(?::json) ORDER BY key "
            "ON CONFLICT (key) DO UPDATE SET used_at = greatest(uses.used_at, excluded.used_at)",
            (json.dumps(dict(used)),),
        )


def forget_uses(database: Database) -> None:
    """Nobody needs to know when a key was used that is no more."""
    database.execute(
        "DELETE FROM uses WHERE key IN (SELECT key FROM uses WHERE NOT EXISTS "
        "(SELECT FROM keys WHERE keys.id = uses.key) ORDER BY key FOR UPDATE)"
    )


def uses(database: Database) -> dict[str, float]:
    """When keys were used last on any machine."""
    return {row[0]: row[1] for row in database.execute("SELECT key, used_at FROM uses")}


def _token(state: StateDir) -> str | None:
    """None where there is none; a damaged one is taken away."""
    try:
        token = state.machine.read_bytes().decode("ascii", "replace").strip()
    except FileNotFoundError:
        return None
    if _TOKEN.fullmatch(token):
        return token
    state.machine.unlink(missing_ok=True)
    return None
