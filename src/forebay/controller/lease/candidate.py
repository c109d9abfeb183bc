"""A controller before it leads: waits for its turn, tells that it stands by, and hands out the fence once it leads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from pathlib import Path

from forebay.config.schema import Config
from forebay.controller.following import Begin, Follower, take_over
from forebay.controller.journal import Journal
from forebay.controller.lease.fence import Fence, clock_s, end_here
from forebay.controller.lease.local import LocalLease
from forebay.controller.lease.shared import SharedLease, lease_key
from forebay.controller.lease.standby import Standby, forget, tell
from forebay.controller.limits import valkey_ref
from forebay.controller.peers import Peers
from forebay.controller.report import standing
from forebay.controller.status import Status, read_status, write_status
from forebay.core.errors import StateError
from forebay.messages.reasons import Reason, because
from forebay.store.state_dir import StateDir
from forebay.substrate.agents import drop_agents
from forebay.substrate.local import LocalSubstrate

_LOOK_S = 0.1
_TELL_S = 1.0
# Its loop turns ten times a second; what it does in between may wait for one unit after the other to stop.
_HUNG_S = 300.0


class Candidate:
    """One contender: for its machine first, and then, where several machines share a lease, among those.

    `begin` makes the controller that follows another machine's. `peers`: what those are to the one that leads.
    """

    def __init__(self, config: Config, state: StateDir, base: Path, unit: str, begin: Begin) -> None:
        lease = config.controller.lease
        self.peers = Peers()
        self._begin = begin
        self._ttl_s = lease.ttl
        self._follower: Follower | None = None
        self._config = config
        self._state = state
        self._before = _status(state)
        self._unit = unit
        self._holder = f"{socket.gethostname()}/{unit}"
        self._fence: Fence | None = None
        self._local = LocalLease(state.leader, unit, lease.ttl, self._is_hung)
        self._shared: SharedLease | None = None
        ref = valkey_ref(config, state, base) if lease.via == "valkey" else None
        if ref is not None:
            key = lease_key(config.service, config.environment)
            self._shared = SharedLease(ref, key, self._holder, lease.ttl, self._is_hung)
        self._since = time.time()
        self._told_s = float("-inf")
        self._said: Reason | None = None
        self._leaving = asyncio.Event()

    def ask_stop(self) -> None:
        """Leave without having led."""
        self._leaving.set()

    def ask_reload(self) -> None:
        """Read again what is to run, if anything does by now."""
        if self._follower is not None and self._follower.controller is not None:
            self._follower.controller.ask_reload()

    @property
    def leaves(self) -> bool:
        return self._leaving.is_set()

    async def lead(self, journal: Journal) -> Fence | None:
        """Wait until we lead; None where we are asked to leave before."""
        while not self._local.take(clock_s()):
            self._stand_by(journal, "")
            if await self._waited():
                return None
        if self._shared is not None and not await self._lead_all(self._shared, journal):
            return None
        number = self._shared.number if self._shared is not None else self._local.number
        self._fence = Fence(self._holder, number, self._leads, end_here)
        forget(self._state, self._unit)
        journal.say("info", f"{self._holder} leads", number=number)
        return self._fence

    def release(self) -> None:
        """Let the next one lead; nothing is done any more after this."""
        with contextlib.suppress(OSError):
            forget(self._state, self._unit)
        if self._shared is not None:
            self._shared.release()
            if self._shared.succeeded:
                # Its engines are another machine's now: whoever stops what runs here must not stop them.
                drop_agents(LocalSubstrate(self._state), self._state)
        self._local.release()

    async def _lead_all(self, shared: SharedLease, journal: Journal) -> bool:
        shared.start()
        self._follower = follower = Follower(self._state, shared, self._begin, journal)
        # One that follows acts for this machine alone, as long as it is the one that does.
        self._fence = fence = Fence(self._holder, 0, self._local.holds, end_here)
        try:
            while not (shared.leads() and shared.knows):
                if shared.over():
                    end_here()
                if follower.controller is None:
                    fence.check()  # nobody else does, and who only waits is not hung
                follower.hear(fence)
                self._stand_by(journal, shared.leader, shared.trouble)
                if await self._waited():
                    return False
        finally:
            await follower.stop()
        self.peers = take_over(self._state, shared, self._ttl_s, journal)
        return True

    def _leads(self) -> bool:
        return self._local.holds() and (self._shared is None or self._shared.leads())

    def _is_hung(self) -> bool:
        return self._fence is not None and clock_s() - self._fence.checked_s > _HUNG_S

    async def _waited(self) -> bool:
        """Wait for the next look; True where we are to leave."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_S):
                await self._leaving.wait()
        return self._leaving.is_set()

    def _stand_by(self, journal: Journal, elsewhere: str, trouble: str = "") -> None:
        said = because("lease_silent", why=trouble) if trouble else None
        if said is not None and said != self._said:
            journal.say("warning", str(said))
        self._said = said
        if clock_s() - self._told_s < _TELL_S:
            return
        if self._told_s < 0:
            journal.say("info", f"{self._holder} stands by", leader=elsewhere)
        self._told_s = clock_s()
        try:
            tell(self._state, Standby(self._unit, os.getpid(), self._since))
            follows = self._follower is not None and self._follower.controller is not None
            if self._shared is not None and self._local.holds() and not follows:
                status = standing(self._config, self._before, elsewhere, self._shared.seen, said)
                write_status(self._state.status, status)
        except OSError as error:
            journal.say("error", f"that it stands by cannot be written: {error}")


def _status(state: StateDir) -> Status | None:
    try:
        return read_status(state.status)
    except StateError:
        return None
