"""The keys that workers are to hold: those of this machine's own store, or those that machines share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Protocol

from forebay.config.schema import Config
from forebay.controller.journal import Journal
from forebay.controller.shared_keys import SharedKeys
from forebay.controller.status import StoreStatus
from forebay.controller.wanted import Arguments
from forebay.security.key_store import KeyRow, active, load_pepper
from forebay.security.revoked import revocations
from forebay.store.database import Database


class FollowedKeys(Protocol):
    """`keys` and `revoked` change with `look` alone, so that one snapshot is of one moment."""

    keys: Collection[KeyRow]
    revoked: Mapping[str, float]
    pepper: str

    @property
    def news(self) -> bool:
        """Whether `look` would find something else, told without a look at state.db."""

    def look(self) -> None:
        """Take what the store says. Raises sqlite3.Error."""

    def held(self) -> None:
        """Every worker of this machine holds what `look` took last."""

    async def run(self) -> None:
        """Follow, until cancelled."""

    def status(self) -> StoreStatus | None:
        """What people are told of a store that is not this machine's own."""


class LocalKeys:
    """Those of state.db."""

    def __init__(self, database: Database, pepper: str) -> None:
        self.keys: Collection[KeyRow] = ()
        self.revoked: Mapping[str, float] = {}
        self.pepper = pepper
        self._database = database
        self.news = False

    def look(self) -> None:
        self.keys, self.revoked = active(self._database, time.time()), revocations(self._database, time.time())

    def held(self) -> None:
        """Whoever changes a key sees on this machine what its workers hold."""

    async def run(self) -> None:
        """The database is looked at as it changes."""

    def status(self) -> None:
        return None


class KeysInForce:
    """`now` are those that the configuration in force speaks of: a reload may say that others count."""

    def __init__(self, config: Config, arguments: Arguments, database: Database, journal: Journal) -> None:
        self.now = followed_keys(config, arguments, database, journal)
        self._store = config.store
        self._arguments, self._database, self._journal = arguments, database, journal
        self._changed = asyncio.Event()

    def retarget(self, config: Config) -> None:
        """Follow the store of `config`. Raises ConfigError and StateError where it cannot be: the old one stays."""
        if config.store == self._store:
            return
        self.now = followed_keys(config, self._arguments, self._database, self._journal)
        self._store = config.store
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                following = group.create_task(self.now.run())
                await self._changed.wait()
                following.cancel()
                await asyncio.wait([following])  # it writes to the same files as the next one


def followed_keys(config: Config, arguments: Arguments, database: Database, journal: Journal) -> FollowedKeys:
    """As the configuration says. Raises ConfigError and StateError for the pepper."""
    own = load_pepper(arguments.state.pepper)
    written = config.store.postgres
    if written is None:
        return LocalKeys(database, own)
    return SharedKeys(written, arguments.config.resolve().parent, arguments.state, journal)
