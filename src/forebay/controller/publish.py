"""Brings each snapshot to every worker, and sees that it is taken.

Where a worker has not acknowledged a new policy by the deadline, the old policy is published again: the worker may have
refused it and serve well. One that takes that neither is stuck and is started again. Keys and engines are never taken
back: a revoked key must not come to life because one worker is stuck.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable

import msgspec

from forebay.controller.journal import Journal
from forebay.core.errors import StateError
from forebay.gateway.snapshot import Policy, Snapshot, publish, read
from forebay.store.state_dir import StateDir
from forebay.substrate.base import Substrate
from forebay.substrate.local import is_running

ACKNOWLEDGE_S = 3.0
_AGAIN_S = 0.5


class Publisher:
    """Holds what is published and who has taken it."""

    def __init__(self, state: StateDir, substrate: Substrate, journal: Journal, now: Callable[[], float]) -> None:
        self.digest = ""
        self.refused: Policy | None = None
        self._state = state
        self._substrate = substrate
        self._journal = journal
        self._now = now
        self._current: Snapshot | None = None
        self._settled_policy: Policy | None = None
        self._signalled_s: dict[str, float] = {}
        self._late_since_s: dict[str, float] = {}
        try:
            self.digest, self._current = read(state.current_snapshot)
        except StateError:  # the first start, or a damaged one: the next snapshot is published in any case
            pass
        else:
            self._settled_policy = self._current.policy

    def offer(self, wanted: Snapshot) -> None:
        """Publish `wanted` if it differs from what is published."""
        if self.refused is not None and wanted.policy == self.refused and self._settled_policy is not None:
            wanted = msgspec.structs.replace(wanted, policy=self._settled_policy)
        if wanted == self._current:
            return
        self.digest = publish(wanted, self._state.snapshots)
        self._current = wanted
        self._signalled_s.clear()
        self._late_since_s.clear()
        self._journal.say("info", "a snapshot is published", snapshot=self.digest)

    def pursue(self, workers: Iterable[str]) -> tuple[str, ...]:
        """Signal the workers that hold another snapshot; returns those that are stuck."""
        now_s = self._now()
        late = []
        behind = self.behind(workers)
        for name in behind:
            since_s = self._late_since_s.setdefault(name, now_s)
            if now_s - since_s > ACKNOWLEDGE_S:
                late.append(name)
            elif now_s - self._signalled_s.get(name, float("-inf")) > _AGAIN_S:
                self._signalled_s[name] = now_s
                self._substrate.signal(name, signal.SIGHUP)
        for name in set(self._late_since_s) - set(behind):
            del self._late_since_s[name]
        if late and self._rolls_back(late):
            return ()
        if not behind and self._current is not None:
            self._settled_policy = self._current.policy
        return tuple(late)

    def still_routed(self, engine: str, workers: Iterable[str]) -> bool:
        """Whether a worker may still send calls to the engine."""
        if self._current is None or self.behind(workers):
            return True
        return any(known.name == engine and known.routable for known in self._current.engines)

    def acknowledged(self, worker: str) -> str:
        """The digest that the worker has taken; empty where it has not taken any yet."""
        try:
            return self._state.acknowledgement(worker).read_text().strip()
        except OSError:
            return ""

    def forget(self, worker: str) -> None:
        """The worker is about to start: what an earlier one took says nothing about it."""
        self._state.acknowledgement(worker).unlink(missing_ok=True)
        self._late_since_s.pop(worker, None)

    def behind(self, workers: Iterable[str]) -> list[str]:
        """Workers that hold another snapshot than the newest."""
        # A worker that has taken none yet is still starting: it reads the newest by itself, and a SIGHUP before its
        # handler stands would end it.
        return [name for name in workers if self.acknowledged(name) not in ("", self.digest) and self._runs(name)]

    def _runs(self, worker: str) -> bool:
        record = self._substrate.find(worker)
        return record is not None and is_running(record)

    def _rolls_back(self, late: list[str]) -> bool:
        assert self._current is not None  # noqa: S101  somebody is behind it
        said = ", ".join(late)
        self._journal.say("error", f"no acknowledgement of the snapshot by {said}", snapshot=self.digest)
        before = self._settled_policy
        if before is None or before == self._current.policy:
            return False
        self.refused = self._current.policy
        self._journal.say("error", "the policy is rolled back", snapshot=self.digest)
        self.offer(msgspec.structs.replace(self._current, policy=before))
        return True
