"""The keys that machines share, followed: told of changes, looked for every `poll`, and written down when confirmed.

Workers never ask PostgreSQL. They hold what the newest snapshot says, for as long as `keys_confirmed` is young enough.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from forebay.config.schema.store import Postgres as Written
from forebay.controller.journal import Journal
from forebay.controller.status import StoreStatus
from forebay.core.errors import ForebayError
from forebay.core.files import write_atomically
from forebay.gateway.believed import believed
from forebay.gateway.uses import last_used
from forebay.security import key_store, machines
from forebay.security.revoked import revocations
from forebay.security.shared_store import open_shared, server_of, shared_pepper
from forebay.store.postgres import Postgres, Server
from forebay.store.state_dir import StateDir

_SOON_S = 0.1
_USES_S = 15.0
_LOOKS_IN_GRACE = 4  # so that a late look costs no call


class Known(msgspec.Struct, frozen=True):
    """What the store said last; -1: nothing yet. `of` says which store, so that another one is not believed for it."""

    of: str
    revision: int = -1
    keys: tuple[key_store.KeyRow, ...] = ()
    revoked: dict[str, float] = {}


class SharedKeys:
    """`run` follows in a thread of its own; `look` and `held` are the controller's."""

    def __init__(self, written: Written, base: Path, state: StateDir, journal: Journal) -> None:
        self._written, self._base, self._state = written, base, state
        self._journal = journal
        self._machine = machines.machine_id(state)
        self.pepper = shared_pepper(written, base)
        self._server = server_of(written, base)
        self._poll_s = min(written.poll, written.grace / _LOOKS_IN_GRACE)
        self._of = _of(self._server)
        self._database: Postgres | None = None
        self._told, self._told_s = -1, float("-inf")
        self._uses_s = 0.0
        self._noted: Mapping[str, float] = {}
        self._leaving = False
        self._fresh = True
        self._known = remembered(written, base, state) or Known(self._of)
        self._looked, self._taken = -1, -1
        self.keys: Collection[key_store.KeyRow] = ()
        self.revoked: Mapping[str, float] = {}
        self.trouble = ""

    @property
    def news(self) -> bool:
        """Whether the store has said something since."""
        return self._known.revision != self._looked

    def look(self) -> None:
        """Take what the store said last: as it was remembered, where it is not heard."""
        known, now = self._known, time.time()
        self.keys = [key for key in known.keys if not key.has_ended(now)]
        self.revoked, self._looked = known.revoked, known.revision

    def held(self) -> None:
        """Every worker of this machine holds what `look` took last; the others are told."""
        self._taken = self._looked

    async def run(self) -> None:
        """Until cancelled."""
        step: asyncio.Future[bool] | None = None
        try:
            while True:
                step = asyncio.ensure_future(asyncio.to_thread(self._step))
                if not await asyncio.shield(step):
                    await asyncio.sleep(self._poll_s)
        finally:
            self._leaving = True
            if (asked := self._database) is not None:
                asked.abort()  # a thread waits for it that nobody can cancel
            if step is not None:
                await step
            if self._database is not None:
                self._database.close()

    def status(self) -> StoreStatus:
        """What people are told of the store."""
        confirmed_at = _changed_at(self._state.keys_confirmed)
        return StoreStatus(
            where=f"{self._server}",
            trouble=self.trouble,
            revision=self._looked,
            confirmed_at=confirmed_at,
            keys_until=None if confirmed_at is None else confirmed_at + self._written.grace,
            believed=believed(self._state.keys_confirmed, self._written.grace, time.time()),
        )

    def _step(self) -> bool:
        """Blocking: one look. False where there was none."""
        try:
            if self._database is None:
                self._database = open_shared(self._written, self._base)
                self._database.listen()
                self._fresh = True
            else:
                unsaid = self._taken != self._told or self._known.revision != self._taken
                self._database.wait_for_change(min(_SOON_S, self._poll_s) if unsaid else self._poll_s)
            self._look(self._database)
        except (ForebayError, OSError, ValueError, TypeError) as error:  # the latter two: rows that are none
            self._lose(error)
            return False
        if self.trouble:
            self._journal.say("info", "the store of keys is heard again", store=str(self._server))
            self.trouble = ""
        return True

    def _look(self, database: Postgres) -> None:
        began_at = time.time()
        revision = machines.revision(database)  # before the rows: those may be newer than it says, never older
        # A store that was restored from a backup may have come to a number that was seen before, with other keys.
        if self._fresh or revision != self._known.revision:
            keys = tuple(key_store.active(database, began_at))
            known = Known(self._of, revision, keys, revocations(database, began_at))
            write_atomically(self._state.shared_keys, msgspec.json.encode(known))
            self._known, self._fresh = known, False
        taken, now_s = self._taken, time.monotonic()
        if taken != self._told or now_s - self._told_s >= self._poll_s:
            machines.tell(database, self._machine, taken, self._written.grace)
            self._told, self._told_s = taken, now_s
            # Only what others were told of counts: they reckon from it when keys open nothing here any more.
            _confirm(self._state.keys_confirmed, began_at)
        if now_s - self._uses_s >= _USES_S:
            used = last_used(self._state)
            machines.note_uses(database, {key: at for key, at in used.items() if self._noted.get(key) != at})
            self._uses_s, self._noted = now_s, used

    def _lose(self, error: Exception) -> None:
        database, self._database = self._database, None
        if database is not None:
            database.close()
        if self._leaving:
            return
        if self.trouble != str(error):
            self._journal.say("error", f"the store of keys is lost: {error}", store=str(self._server))
        self.trouble = str(error)


def remembered(written: Written, base: Path, state: StateDir) -> Known | None:
    """What this machine was told last by the store that is written; None where it was told nothing by that one."""
    try:
        known = msgspec.json.decode(state.shared_keys.read_bytes(), type=Known)
    except (OSError, msgspec.DecodeError):
        return None
    return known if known.of == _of(server_of(written, base)) else None


def _of(server: Server) -> str:
    return f"{server} {server.tables}"


def _confirm(path: Path, at: float) -> None:
    path.touch(mode=0o600)
    os.utime(path, (at, at))


def _changed_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
