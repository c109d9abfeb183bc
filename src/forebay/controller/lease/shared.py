"""The leader among several machines: an election in a Valkey, kept by a thread of its own, and what the leader tells.

A thread, because the lease must be renewed also while the controller's loop is busy with something that takes long.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Callable

from forebay.controller.lease.book import TELL, book_key
from forebay.controller.lease.election import Election, Step
from forebay.controller.lease.fence import clock_s
from forebay.gateway.limits.policy import ValkeyRef
from forebay.store.valkey import ValkeyConnection, ValkeyLost, ValkeyRefused, ask, connect

# Also how one looks: an empty ARGV[2] changes nothing. Without an expiry: Valkey's clock may jump, and takes no part.
SWAP = """\
local found = redis.call('GET', KEYS[1]) or ''
if ARGV[2] == '' or found ~= ARGV[1] then return found end
redis.call('SET', KEYS[1], ARGV[2])
return ARGV[2]
"""
_AGAIN_S = 0.2
_LOOK_S = 0.25
_TURNS = 10
_SUCCESSOR_LOOKS = 4
_RENEWALS = 5


def lease_key(service: str, environment: str) -> str:
    """Where the lease of one service lies."""
    return f"{{forebay}}:leader:{service}:{environment}"


class SharedLease:
    """One contender. `hung` says whether the process is alive but does nothing: its lease then ends.

    `book` is what a leader told last, as it lies in the Valkey; `knows`: we lead, and nobody else adds to it any more.
    `succeeded`: another one leads since we let go.
    """

    def __init__(self, ref: ValkeyRef, key: str, holder: str, ttl_s: float, hung: Callable[[], bool]) -> None:
        self.trouble = ""
        self.book = b""
        self.knows = self.succeeded = False
        self._ref = ref
        self._key = key.encode()
        self._hung = hung
        self._ttl_s = ttl_s
        self._token = secrets.token_hex(16)
        self._election = Election(holder, self._token, ttl_s)
        self._wanted = self._told = b""
        self._told_s = float("-inf")
        self._leaving = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._contend()), name="lease", daemon=True)

    def start(self) -> None:
        """Begin to contend."""
        self._thread.start()

    def leads(self) -> bool:
        """Whether it may act at this moment."""
        return self._election.leads(clock_s())

    def over(self) -> bool:
        """Whether it has led and does no more."""
        return self._election.over(clock_s())

    @property
    def number(self) -> int:
        return self._election.number

    def tell(self, book: bytes) -> None:
        """Have this lie there as soon as may be, while we lead."""
        self._wanted = book

    def is_told(self) -> bool:
        """Whether what was to be told lies there."""
        return self._told == self._wanted

    @property
    def leader(self) -> str:
        """Who leads, as far as is known."""
        return self._election.leader

    @property
    def seen(self) -> int:
        """The highest number that was ever seen."""
        return self._election.seen

    def release(self) -> None:
        """Let the next one lead."""
        self._leaving.set()
        self._thread.join(self._ttl_s)

    async def _contend(self) -> None:
        while not self._leaving.is_set():
            try:
                await self._over_one_connection()
            except (ValkeyLost, ValkeyRefused, TimeoutError) as error:
                # Only the first word of a refusal: the text may repeat what was sent.
                self.trouble = getattr(error, "reason", "") or str(error).partition(" ")[0] or "timeout"
            self._election.lost_touch()
            await asyncio.sleep(_AGAIN_S)

    async def _over_one_connection(self) -> None:
        ref, reply_s = self._ref, self._ttl_s / _RENEWALS
        connection = await connect(
            ref.host, ref.port, password=ref.password, tls=ref.tls, timeout_s=reply_s, on_lost=lambda _connection: None
        )
        try:
            while not self._leaving.is_set():
                if not self._hung():
                    await self._send(connection, self._election.step(clock_s(), int(time.time() * 1000)), reply_s)
                    await self._share(connection, reply_s)
                    self.trouble = ""
                await asyncio.sleep(min(_LOOK_S, self._ttl_s / _TURNS))
            last = self._election.release(clock_s())
            if last is not None:
                await self._send(connection, last, reply_s)
                await self._see_successor(connection, reply_s)
        finally:
            connection.abort("closed")

    async def _share(self, connection: ValkeyConnection, reply_s: float) -> None:
        """Tell what is new, or hear it; a leader hears once more: its predecessor cannot tell any more after that."""
        key, leads, now_s = book_key(self._key.decode()).encode(), self.leads(), clock_s()
        if not (leads and self.knows):
            async with asyncio.timeout(reply_s):
                found = await ask(connection, b"GET", key)
            self.book, self.knows = found if isinstance(found, bytes) else b"", leads
            return
        book = self._wanted
        # Again now and then: a Valkey may have forgotten it.
        if book and (book != self._told or now_s - self._told_s > self._ttl_s):
            async with asyncio.timeout(reply_s):
                done = await ask(connection, b"EVAL", TELL.encode(), b"2", self._key, key, self._token.encode(), book)
            if done == 1:
                self._told, self._told_s = book, now_s

    async def _see_successor(self, connection: ValkeyConnection, reply_s: float) -> None:
        """Who stands by takes what is let go at its next look."""
        for _look in range(_SUCCESSOR_LOOKS):
            await asyncio.sleep(_LOOK_S)
            await self._send(connection, self._election.look(clock_s()), reply_s)
            found = self._election.found
            self.succeeded = found is not None and found.token not in ("", self._token)
            if self.succeeded:
                return

    async def _send(self, connection: ValkeyConnection, step: Step, reply_s: float) -> None:
        async with asyncio.timeout(reply_s):
            text = await ask(connection, b"EVAL", SWAP.encode(), b"1", self._key, step.expected, step.wanted)
        if not isinstance(text, bytes):
            raise ValkeyLost("nonsense")
        self._election.heard(step, text, clock_s())
