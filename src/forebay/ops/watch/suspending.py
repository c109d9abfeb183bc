"""Holds back the keys of anomalies, and tries again while the store of keys is lost: a suspicion is told only once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection
from pathlib import Path

from forebay.audit.client import decided
from forebay.config.schema.store import Store
from forebay.core.errors import ForebayError
from forebay.observe.anomaly.watcher import Anomaly
from forebay.observe.log import JsonLog
from forebay.security import key_store
from forebay.security.key_store import UnknownKey
from forebay.security.stores import opened
from forebay.store.database import Database
from forebay.store.state_dir import StateDir

_AGAIN_S = 5.0


class Suspender:
    """`kinds` are those of anomalies that hold a key back."""

    def __init__(self, state: StateDir, store: Store, kinds: Collection[str], log: JsonLog) -> None:
        self._state, self._store, self._kinds, self._log = state, store, kinds, log
        self._wanted: dict[str, Anomaly] = {}
        self._again_s = 0.0

    def hear(self, anomaly: Anomaly) -> None:
        """Hold its key back at the next turn, if its kind is one of those."""
        if anomaly.kind in self._kinds and anomaly.key_id:
            self._wanted.setdefault(anomaly.key_id, anomaly)
            self._again_s = 0.0

    def turn(self, now_s: float) -> None:
        """Do what is wanted; what cannot be done now stays wanted."""
        if not self._wanted or now_s < self._again_s:
            return
        try:
            with opened(self._store, self._state, Path("/")) as keys:
                for key, anomaly in list(self._wanted.items()):
                    self._suspend(keys.database, key, anomaly, now_s)
                    del self._wanted[key]
        except (sqlite3.Error, ForebayError) as error:
            self._again_s = now_s + _AGAIN_S
            named = ", ".join(self._wanted)
            self._log.write("error", f"the keys {named} could not be suspended yet: {error}", now_s)

    def _suspend(self, database: Database, key: str, anomaly: Anomaly, now_s: float) -> None:
        try:
            with decided(self._state, "key.suspend", "watch", {"key": key, "why": anomaly.kind}, self._unrecorded):
                fresh = key_store.suspend(database, key, anomaly.why)
        except UnknownKey as error:
            self._log.write("error", f"the key {key} could not be suspended: {error}", now_s)
            return
        if fresh:
            self._log.write("warning", "key suspended", now_s, key_id=key, kind=anomaly.kind)

    def _unrecorded(self, why: str) -> None:
        """A key that must be held back is held back, recorded or not."""
        self._log.write("error", f"the audit log does not have that a key is suspended: {why}", time.time())
