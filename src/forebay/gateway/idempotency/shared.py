"""Claims of all workers of all gateways in one Valkey. Without an answer of it nothing is claimed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from forebay.gateway.idempotency.claim import LOST, WORDS, Claim, Hear, Said
from forebay.gateway.idempotency.policy import IdempotencyPolicy
from forebay.gateway.idempotency.script import CLAIMS
from forebay.gateway.limits.policy import ValkeyRef
from forebay.store.valkey import Answer, ValkeyConnection, ValkeyLost, ValkeyRefused, ask, connect
from forebay.store.valkey_age import SINCE

PREFIX = b"{forebay}:once:"
_CONNECT_S = 1.0
_AGAIN_S = 0.25
# Ends of calls that could not be told. Beyond this they are undecided when Valkey is back.
_UNSAID = 10_000


class SharedClaims:
    """A worker's way there, which is opened when the first call claims. `hear` is told of loss and return."""

    def __init__(self, ref: ValkeyRef, policy: IdempotencyPolicy, hear: Callable[[str, str], None]) -> None:
        self.ref = ref
        self.lease_s = ref.lease_s
        self._policy = policy
        self._hear = hear
        self._lost = False
        self._sha = b""
        self._connection: ValkeyConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._tried_at = float("-inf")
        self._waiting: list[tuple[Claim, Hear]] = []
        self._unsaid: dict[bytes, tuple[bytes, Claim]] = {}
        self._used = self._closed = False

    def use(self, policy: IdempotencyPolicy) -> None:
        """Take a new policy of the same store."""
        self._policy = policy

    def claim(self, claim: Claim, hear: Hear) -> None:
        self._used = True
        if self._connection is None:
            self._reconnect()
        if self._connecting is not None:
            self._waiting.append((claim, hear))
        else:
            self._claim(claim, hear)

    def finish(self, claim: Claim, answer: bytes) -> None:
        self._tell(b"finish", claim, answer)

    def free(self, claim: Claim) -> None:
        self._tell(b"free", claim)

    def renew(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            if self._connection is not None:
                self._send(b"renew", claim, b"", lambda _said: None)

    def sweep(self, now: float) -> None:
        if self._used and self._connection is None:
            self._reconnect()

    def close(self) -> None:
        """What was told has been sent; leases of what was not end by themselves."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.abort("closed")

    # -- one command

    def _claim(self, claim: Claim, hear: Hear) -> None:
        if self._connection is None:
            asyncio.get_running_loop().call_soon(hear, LOST)
            return

        def heard(said: Said) -> None:
            if said is LOST:  # it may have been heard all the same: then nobody has the key
                self._keep_for_later(b"free", claim)
            hear(said)

        self._send(b"claim", claim, b"", heard)

    def _tell(self, what: bytes, claim: Claim, answer: bytes = b"") -> None:
        if self._connection is None:
            self._keep_for_later(what, claim)
        else:
            self._send(what, claim, answer, lambda said: self._keep_for_later(what, claim) if said is LOST else None)

    def _send(self, what: bytes, claim: Claim, answer: bytes, heard: Hear) -> None:
        connection, loop = self._connection, asyncio.get_running_loop()
        if connection is None:
            loop.call_soon(heard, LOST)
            return
        late = loop.call_later(self.ref.reply_s, self._drop, connection, "timeout")

        def answered(said: Answer) -> None:
            late.cancel()
            heard(self._believe(connection, said))

        connection.send(self._command(what, claim, answer), answered)

    def _command(self, what: bytes, claim: Claim, answer: bytes) -> list[bytes]:
        policy = self._policy
        keys = [SINCE, PREFIX + claim.id, PREFIX + b"of:" + claim.tenant, PREFIX + b"answers", PREFIX + b"held"]
        numbers = [0, int(self.lease_s * 1000), int(policy.keep_s * 1000)]
        named = [claim.id, claim.token, claim.fingerprint, b"%d" % policy.keys, b"%d" % policy.memory_bytes, answer]
        return [b"EVALSHA", self._sha, b"%d" % len(keys), *keys, what, *[b"%d" % each for each in numbers], *named]

    def _believe(self, connection: ValkeyConnection, answer: Answer) -> Said:
        if isinstance(answer, ValkeyLost):
            return LOST
        if isinstance(answer, list) and answer and all(type(each) is bytes for each in answer):
            word, *rest = [each for each in answer if isinstance(each, bytes)]
            if word == b"told" or word.decode("latin-1") in WORDS:
                return Said(word.decode(), b"".join(rest))
        self._drop(connection, "refused" if isinstance(answer, ValkeyRefused) else "nonsense")
        return LOST

    def _keep_for_later(self, what: bytes, claim: Claim) -> None:
        if len(self._unsaid) < _UNSAID:
            self._unsaid[claim.token] = (what, claim)

    # -- losing and coming back

    def _drop(self, connection: ValkeyConnection, reason: str) -> None:
        self._gone(connection, reason)
        connection.abort(reason)

    def _gone(self, connection: ValkeyConnection, reason: str = "closed") -> None:
        if self._connection is connection and not self._closed:
            self._connection = None
            self._lose(reason)

    def _lose(self, reason: str) -> None:
        if not self._lost:
            self._lost = True
            self._hear("lost", reason)

    def _reconnect(self) -> None:
        now = time.monotonic()
        if self._connecting is None and not self._closed and now - self._tried_at >= _AGAIN_S:
            self._tried_at = now
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        try:
            self._connection = await self._opened()
        except ValkeyLost as lost:
            self._lose(lost.reason)
        else:
            if self._lost:
                self._lost = False
                self._hear("back", "")
        finally:
            self._connecting = None
        unsaid, self._unsaid = self._unsaid, {}
        for what, claim in unsaid.values():
            self._tell(what, claim)
        waiting, self._waiting = self._waiting, []
        for claim, hear in waiting:
            self._claim(claim, hear)

    async def _opened(self) -> ValkeyConnection:
        """A connection that knows the script. Raises ValkeyLost."""
        ref = self.ref
        connection = await connect(
            ref.host, ref.port, password=ref.password, tls=ref.tls, timeout_s=_CONNECT_S, on_lost=self._gone
        )
        try:
            async with asyncio.timeout(_CONNECT_S):
                sha = await ask(connection, b"SCRIPT", b"LOAD", CLAIMS.encode())
        except (ValkeyRefused, TimeoutError):
            connection.abort("refused")
            raise ValkeyLost("refused") from None
        if not isinstance(sha, bytes) or len(sha) != 40:
            connection.abort("nonsense")
            raise ValkeyLost("nonsense")
        self._sha = sha
        return connection
