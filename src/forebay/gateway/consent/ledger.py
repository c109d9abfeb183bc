"""Who consents, as a worker knows it: followed on a thread of its own, a few times a second.

In memory a consent is about a hundred bytes, so that asking costs a call no wait. What is withdrawn ends the calls that
run for it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.audit.consents import Follower, Heard, name_of
from forebay.audit.persons import holder, person
from forebay.core.errors import StateError
from forebay.gateway.consent.policy import ConsentPolicy
from forebay.gateway.refusal import Refusal

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.screen import Asked

_STALE_S = 5.0
_REQUIRED = "The person that this call is for has not consented to its purpose."
_WITHDRAWN = "The person that this call is for has withdrawn the consent to its purpose."
Say = Callable[..., None]


class Ledger:
    """One a worker, where some purpose needs consent."""

    def __init__(self, path: Path, policy: ConsentPolicy, say: Say, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._say = say
        self._clock = clock
        self._follower = Follower(path)
        self._thread = ThreadPoolExecutor(1, "consents")
        self._reading: asyncio.Future[Heard | None] | None = None
        self._read_s = float("-inf")
        self._lost = False
        self._secret = b""
        self._granted: dict[str, set[bytes]] = {}
        self._running: dict[Call, tuple[bytes, str]] = {}

    def admit(self, call: Call, asked: Asked) -> None:
        """Let a call pass, and end it should its consent be withdrawn meanwhile. Raises Refusal."""
        purpose = self._purpose(call)
        if call.trail is not None:
            call.trail.purpose = purpose
        if purpose not in self.policy.needed:
            return
        if self._clock() - self._read_s > _STALE_S:
            raise Refusal("consent_unavailable", "It cannot be told at the moment who consents.", retry_after_s=1)
        ledger = call.ledger
        who = person(ledger.tenant, asked.subject or holder(ledger.key_id))
        name = name_of(self._secret, who)
        if name not in self._granted.get(purpose, ()):
            raise Refusal("consent_required", _REQUIRED)
        self._running[call] = (name, purpose)

    async def start(self) -> None:
        """Hear everything once, before the first call."""
        self.sweep()
        while self._reading is not None:
            await asyncio.wait([self._reading])

    def sweep(self) -> None:
        """A few times a second: hear what has changed."""
        for call in [each for each in self._running if each.is_over]:
            del self._running[call]
        if self._reading is None:
            loop = asyncio.get_running_loop()
            self._reading = loop.run_in_executor(self._thread, self._follower.read)
            self._reading.add_done_callback(self._hear)

    def close(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        self._thread.submit(self._follower.close)  # where it was opened
        self._thread.shutdown(wait=False)  # a disk that hangs must not hold up calls

    def _purpose(self, call: Call) -> str:
        policy, named = self.policy, call.head.purpose.decode("latin-1")
        if not named:
            return policy.tenants.get(call.ledger.tenant, policy.default)
        if named not in policy.known:
            raise Refusal("unknown_purpose", "No such purpose is declared.", param="x-forebay-purpose")
        return named

    def _hear(self, reading: asyncio.Future[Heard | None]) -> None:
        self._reading = None
        if reading.cancelled():
            return
        error = reading.exception()
        if error is not None:
            if not isinstance(error, (sqlite3.Error, StateError)):
                raise error
            self._tell(lost=True)
            return
        self._tell(lost=False)
        self._read_s = self._clock()
        heard = reading.result()
        if heard is not None:
            self._take(heard)

    def _take(self, heard: Heard) -> None:
        self._secret = heard.secret
        if heard.whole:
            self._granted = {}
        for change in heard.changes:
            people = self._granted.setdefault(change.purpose, set())
            (people.add if change.granted else people.discard)(change.person)
        for call, (name, purpose) in list(self._running.items()):
            if name not in self._granted.get(purpose, ()):
                del self._running[call]
                if not _is_answered(call):
                    call.interrupt(Refusal("consent_withdrawn", _WITHDRAWN))

    def _tell(self, *, lost: bool) -> None:
        if lost != self._lost:
            self._lost = lost
            text = "it cannot be read who consents" if lost else "it is read again who consents"
            self._say("error" if lost else "info", text)


def _is_answered(call: Call) -> bool:
    """Whether all is said, and only the record of it is waited for: to break that off would take the answer's end."""
    return call.trail is not None and call.client is call.trail.held.client
