"""The second level of answers: a Valkey that all workers share. It may be slow, lost or lying; calls go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.reuse.answers import Entry
from forebay.gateway.reuse.seal import sealed, unsealed
from forebay.store.valkey import Answer, ValkeyConnection, ValkeyLost, connect

PREFIX = b"{forebay}:answer:"
_CONNECT_S = 1.0
# Longer than any answer of a healthy Valkey, shorter than what a client would notice before a generation.
_LATE_S = 0.05
_AGAIN_S = 1.0
# What a connection takes as one answer is bounded too; a pair of forms must fit.
_LARGEST_BYTES = 448 * 1024

Found = tuple[Entry, float]
"""An entry, and the seconds it may still be given."""


class SharedAnswers:
    """One connection of one worker. `garbled` counts what did not bear our seal."""

    def __init__(self, ref: ValkeyRef, pepper: str, garbled: Callable[[], None]) -> None:
        self.ref = ref
        self._pepper = pepper
        self._garbled = garbled
        self._connection: ValkeyConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._tried_at = float("-inf")

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def sweep(self, now: float) -> None:
        """Connect where there is no connection; not more often than once a second."""
        if self._connection is None and self._connecting is None and now - self._tried_at >= _AGAIN_S:
            self._tried_at = now
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def fetch(self, key: bytes, *, streamed: bool, done: Callable[[Found | None], None]) -> None:
        """Hand what is kept under `key`, in this form or else the other, to `done`; None soon where there is none."""
        connection = self._connection
        loop = asyncio.get_running_loop()
        if connection is None:
            loop.call_soon(done, None)
            return
        late = loop.call_later(_LATE_S, connection.abort, "timeout")

        def answered(answer: Answer) -> None:
            late.cancel()
            done(self._believe(answer, key, streamed=streamed))

        connection.send((b"MGET", _name(key, streamed=streamed), _name(key, streamed=not streamed)), answered)

    def keep(self, key: bytes, entry: Entry, ttl_s: float) -> None:
        """Keep an answer in the place of every form of the one before; nobody waits for it."""
        if self._connection is None or len(entry.body) > _LARGEST_BYTES:
            return
        stored = sealed(entry, key, time.time() + ttl_s, self._pepper)
        place, other = _name(key, streamed=entry.streamed), _name(key, streamed=not entry.streamed)
        self._connection.send((b"SET", place, stored, b"PX", b"%d" % max(1, int(ttl_s * 1000))), _ignore)
        self._connection.send((b"DEL", other), _ignore)

    def close(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.abort("closed")

    def _believe(self, answer: Answer, key: bytes, *, streamed: bool) -> Found | None:
        if not isinstance(answer, list) or len(answer) != 2:
            return None
        for stored, form in zip(answer, (streamed, not streamed), strict=True):
            if not isinstance(stored, bytes):
                continue
            found = unsealed(stored, key, self._pepper, streamed=form)
            if found is None:
                self._garbled()
                if self._connection is not None:
                    self._connection.send((b"DEL", _name(key, streamed=form)), _ignore)
            elif (left_s := found[1] - time.time()) > 0:
                return found[0], left_s
        return None

    async def _connect(self) -> None:
        ref = self.ref
        try:
            self._connection = await connect(
                ref.host, ref.port, password=ref.password, tls=ref.tls, timeout_s=_CONNECT_S, on_lost=self._lost
            )
        except ValkeyLost:
            self._connection = None
        finally:
            self._connecting = None

    def _lost(self, connection: ValkeyConnection) -> None:
        if self._connection is connection:
            self._connection = None


def _name(key: bytes, *, streamed: bool) -> bytes:
    return PREFIX + key.hex().encode() + (b":s" if streamed else b":w")


def _ignore(answer: Answer) -> None:
    """Whether it was kept shows when somebody asks for it."""
