"""What gateway workers are fed: engines, keys and policies as one snapshot, which each of them has to take."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping

from forebay.config.schema import Config
from forebay.controller.erased import since_erasure
from forebay.controller.followed_keys import KeysInForce
from forebay.controller.identity import with_identity
from forebay.controller.issuers import Issuers
from forebay.controller.journal import Journal
from forebay.controller.keeper import Keeper
from forebay.controller.limits import valkey_ref
from forebay.controller.publish import Publisher
from forebay.controller.rolling import Rolling
from forebay.controller.snapshot import EngineNow, build, with_rollouts
from forebay.controller.status import StoreStatus
from forebay.controller.wanted import Arguments
from forebay.core.errors import ForebayError
from forebay.gateway.siblings import Siblings
from forebay.messages.reasons import because
from forebay.store.sqlite import connect, data_version

_EXPIRY_S = 1.0


class Feeding:
    """`keepers` are those of each moment: their engines are told to the workers among them."""

    def __init__(
        self,
        arguments: Arguments,
        config: Config,
        publisher: Publisher,
        keepers: Mapping[str, Keeper],
        journal: Journal,
    ) -> None:
        self._state = arguments.state
        self._base = arguments.config.resolve().parent
        self._publisher = publisher
        self._keepers = keepers
        self._journal = journal
        self._issuers = Issuers(self._state, self._base, journal)
        self._database = connect(self._state.database)
        self._keys = KeysInForce(config, arguments, self._database, journal)
        self._key_version = -1
        self._keys_read_s = float("-inf")
        # A time that stays: the same state must give the same snapshot after the controller was started again.
        self._created_at = int(self._state.pepper.stat().st_mtime)

    def retarget(self, config: Config) -> None:
        """Follow the issuers and the store of `config`. Raises ConfigError and StateError where they cannot be."""
        self._issuers.retarget(config)
        self._keys.retarget(config)

    def read_anew(self) -> None:
        """The keys may be those of another store."""
        self._key_version = -1

    async def follow_issuers(self) -> None:
        """Until cancelled."""
        await self._issuers.run()

    async def follow_keys(self) -> None:
        """Until cancelled."""
        await self._keys.run()

    def close(self) -> None:
        self._database.close()

    def look(self) -> None:
        """Keys and intents, as soon as another process has changed them; keys also as they expire."""
        now_s = time.monotonic()
        try:
            version = data_version(self._database)
            if version == self._key_version and not self._keys.now.news and now_s - self._keys_read_s < _EXPIRY_S:
                return
            self._keys.now.look()
            intents = {row["engine"]: row["intent"] for row in self._database.execute("SELECT * FROM intents")}
        except sqlite3.Error as error:
            self._journal.say("error", f"the state database cannot be read: {error}")
            return
        self._key_version, self._keys_read_s = version, now_s
        for name, keeper in self._keepers.items():
            keeper.leave = keeper.desired.kind == "engine" and "drain" in (intents.get(name), intents.get(keeper.slot))

    def publish(self, config: Config, rolling: Rolling) -> bool:
        """Have every worker hold what is so now; False where it cannot be said: what they hold stays good."""
        engines = [
            EngineNow(spec=keeper.serving, port=keeper.port, routable=keeper.health.routable)
            for keeper in self._keepers.values()
            if keeper.serving is not None and keeper.serving.model in config.models
        ]
        keys = self._keys.now
        try:
            valkey = valkey_ref(config, self._state, self._base)
            wanted = build(config, engines, keys.keys, keys.pepper, self._created_at, valkey)
            wanted = with_identity(wanted, config, self._issuers.policies, keys.revoked)
            wanted = since_erasure(wanted, self._state)
            self._publisher.offer(with_rollouts(wanted, rolling.policies))
            late = self._publisher.pursue(self._workers())
            if self.is_taken:
                keys.held()
        except (ForebayError, OSError) as error:  # a full disk, a secret being written
            self._journal.say("error", f"the snapshot cannot be made: {error}")
            return False
        for name in late:
            self._keepers[name].give_up(because("snapshot_refused"))
        return True

    @property
    def is_taken(self) -> bool:
        """Whether every worker holds the newest snapshot."""
        return not self._publisher.behind(self._workers())

    def is_busy(self, engine: str) -> bool:
        """Whether a worker may still send calls to an engine, or has some there."""
        return self._publisher.still_routed(engine, self._workers()) or self._calls_at(engine) > 0

    def store_status(self) -> StoreStatus | None:
        """What people are told of the store of keys."""
        return self._keys.now.status()

    def _workers(self) -> list[str]:
        return [name for name, keeper in self._keepers.items() if keeper.desired.kind == "worker"]

    def _calls_at(self, engine: str) -> int:
        workers = Siblings(self._state.counters, own_pid=0)
        workers.refresh()
        try:
            return workers.outstanding(engine)
        finally:
            workers.close()
