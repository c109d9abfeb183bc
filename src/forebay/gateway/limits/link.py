"""A worker's line to the authority: what it holds is stated, renewed and given back, many limits in one message.

One message is under way at a time; what is asked for meanwhile goes into the next one. An answer that is late, or that
no authority could have given, is a loss: the connection is dropped, calls go on by the stated policy, and another
connection is tried until one answers. After a loss a worker states what it used meanwhile for as long as a lease
lasts, so that all others have done the same before anybody is given more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from forebay.gateway.call import Call
from forebay.gateway.limits.gauges import WINDOW_S, Clock, Spend
from forebay.gateway.limits.lease import Limit, Nonsense, Statement
from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.limits.script import STATE
from forebay.store.valkey import Answer, ValkeyConnection, ValkeyLost, ValkeyRefused, ask, connect
from forebay.store.valkey_age import SINCE

PREFIX = "{forebay}:limit:"
_BATCH = 256
_CONNECT_S = 1.0
_AGAIN_S = 0.25
_NEVER = float("inf")
_CLOCKS_APART_S = 300.0

Hear = Callable[[str, str], None]


class Link:
    """`leased`: caps come from the authority.

    `hear` is told ("lost", why), ("back", "") and, of an authority that has only just begun, ("new", "").
    """

    def __init__(
        self,
        ref: ValkeyRef,
        worker: str,
        limits: Callable[[], Iterable[Limit]],
        clocks: tuple[Clock, Clock],
        hear: Hear,
    ) -> None:
        self.ref = ref
        self.leased = False
        self.connection: ValkeyConnection | None = None
        self.lost_at = 0.0
        self._worker = worker.encode()
        self._limits = limits
        self._clock, self._wall = clocks
        self._hear = hear
        self._sha = b""
        self._sequence = 0
        self._sent_at = 0.0
        self._joined_at: float | None = None
        self._pending: dict[Limit, None] = {}
        self._waiting: list[tuple[Call, object]] = []
        self._sent: list[tuple[Limit, Statement]] | None = None
        self._sent_waiting: list[tuple[Call, object]] = []
        self._deadline: asyncio.TimerHandle | None = None
        self._flushing = False
        self._renewed_at = float("-inf")
        self._tried_at = float("-inf")
        self._connecting: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self) -> None:
        """Connect before the first call; without an answer the worker begins alone."""
        await self._connect()
        if self.connection is None:
            self._lose("unreachable", self._clock())
            return
        try:
            async with asyncio.timeout(_CONNECT_S):
                warming = self._believe(await ask(self.connection, *self._command([])), [], self._clock())
        except (ValkeyLost, ValkeyRefused, TimeoutError, Nonsense):
            self._drop("nonsense")
            return
        if warming:  # most likely it was started with us: nothing is lost, and it gives nothing away for a lease
            self._alone(self._clock(), "", "new")
        else:
            self._lease(self._clock())

    def need(self, limit: Limit) -> None:
        """State `limit` soon: it is short, or will be."""
        self._pending[limit] = None
        self._flush_soon()

    async def answered(self, call: Call, short: Iterable[tuple[Limit, int]]) -> None:
        """Wait until the authority has heard that `call` needs more of these limits, or is lost."""
        shorts = list(short)
        token = object()
        for limit, units in shorts:
            limit.asked += units
            self.need(limit)
        self._waiting.append((call, token))
        try:
            await call.wait(token)
        finally:
            for limit, units in shorts:
                limit.asked -= units

    def sweep(self, now: float) -> None:
        """Renew in good time; come back after a loss; after a minute alone an even share is all there is."""
        if self.connection is None:
            if self._connecting is None and now - self._tried_at >= _AGAIN_S:
                self._connecting = asyncio.get_running_loop().create_task(self._reconnect())
            if not self.leased and now - self.lost_at > WINDOW_S + 1 + self.ref.lease_s:
                self.lost_at = float("inf")
                for limit in self._limits():
                    if not isinstance(limit.gauge, Spend):
                        limit.alone()
        elif now - self._renewed_at >= self.ref.lease_s / 3:
            self._renewed_at = now
            self._pending.update(dict.fromkeys(self._limits()))
            self._flush_soon()

    def begin_alone(self) -> None:
        """As `start`, without waiting: the sweep connects."""
        self._alone(self._clock(), "unreachable")

    def close(self) -> None:
        """Let go; what is held ends with its lease."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self.connection is not None:
            self.connection.abort("closed")

    # -- statements

    def _flush_soon(self) -> None:
        if not self._flushing and self._sent is None and self.connection is not None:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self._sent is not None or self.connection is None:
            return
        joining = not self.leased
        said: list[tuple[Limit, Statement]] = []
        while self._pending and len(said) < _BATCH:
            limit = next(iter(self._pending))
            del self._pending[limit]
            statement = limit.statement(PREFIX, joining=joining)
            if statement is not None:
                said.append((limit, statement))
        if not said and not self._waiting and self.leased:
            return
        self._sent = said
        if not self._pending:
            self._sent_waiting, self._waiting = self._waiting, []
        self._sequence += 1
        self._sent_at = self._clock()
        self.connection.send(self._command(said), self._heard)
        self._deadline = asyncio.get_running_loop().call_later(self.ref.reply_s, self._late)

    def _command(self, said: list[tuple[Limit, Statement]]) -> list[bytes]:
        keys = [SINCE, *(statement.key.encode() for _limit, statement in said)]
        lease_ms = int(self.ref.lease_s * 1000)
        numbers = [0, self._sequence, lease_ms]
        for _limit, each in said:
            numbers += [each.limit, each.floor, each.want, each.kept, int(each.keep_s * 1000)]
        values = [b"%d" % number for number in numbers]
        return [b"EVALSHA", self._sha, b"%d" % len(keys), *keys, values[0], self._worker, *values[1:]]

    def _heard(self, answer: Answer) -> None:
        said, self._sent = self._sent, None
        if self._deadline is not None:
            self._deadline.cancel()
        if isinstance(answer, Exception):
            if self.connection is not None:
                self._drop("refused" if isinstance(answer, ValkeyRefused) else str(answer))
            return
        now = self._clock()
        try:
            warming = self._believe(answer, said or [], now)
        except Nonsense:
            self._drop("nonsense")
            return
        self._consider_return(now, warming=warming)
        self._wake()
        if self._pending or self._waiting:
            self._flush_soon()

    def _believe(self, answer: Answer, said: list[tuple[Limit, Statement]], now: float) -> bool:
        """Take an answer in. Raises Nonsense."""
        if not isinstance(answer, list) or len(answer) != 2 + 2 * len(said):
            raise Nonsense("not the shape that was asked for")
        numbers: list[Any] = answer
        if not all(type(number) is int for number in numbers):
            raise Nonsense("not numbers")
        if abs(numbers[0] / 1000 - self._wall()) > _CLOCKS_APART_S:
            raise Nonsense("its clock and ours are too far apart for one calendar")
        for index, (limit, statement) in enumerate(said):
            hold, others = numbers[2 + 2 * index : 4 + 2 * index]
            # Counted from when it was asked: the authority counts from later.
            limit.granted(statement, hold, others, now, self._sent_at + self.ref.lease_s)
        return bool(numbers[1])

    def _consider_return(self, now: float, *, warming: bool) -> None:
        if self.leased:
            if warming:  # it has forgotten everything while we were connected
                self._alone(now, "forgot")
            return
        self._joined_at = now if self._joined_at is None else self._joined_at
        if not warming and now - self._joined_at >= self.ref.lease_s:
            self._lease(now)

    def _lease(self, now: float) -> None:
        self.leased = True
        for limit in self._limits():
            if limit.until == _NEVER:  # its share was never stated: from now on it must be
                limit.until = now
        self._hear("back", "")

    def _wake(self) -> None:
        waiting, self._sent_waiting = self._sent_waiting, []
        for call, token in waiting:
            call.signal(token, None)

    # -- losing and coming back

    def _late(self) -> None:
        self._drop("timeout")

    def _drop(self, reason: str) -> None:
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.abort(reason)
        self._lose(reason, self._clock())

    def _gone(self, connection: ValkeyConnection) -> None:
        if self.connection is connection and not self._closed:
            self.connection = None
            self._lose("closed", self._clock())

    def _lose(self, reason: str, now: float) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._sent = None
        self._alone(now, reason)
        self._sent_waiting += self._waiting
        self._waiting = []
        self._wake()

    def _alone(self, now: float, reason: str, event: str = "lost") -> None:
        self._joined_at = None
        if not self.leased and self.lost_at:
            for limit in self._limits():
                limit.until = _NEVER
            return
        self.leased, self.lost_at = False, now
        for limit in self._limits():
            limit.cut_off()
        self._hear(event, reason)

    async def _reconnect(self) -> None:
        try:
            await self._connect()
        finally:
            self._connecting = None

    async def _connect(self) -> None:
        self._tried_at = self._clock()
        ref = self.ref
        try:
            connection = await connect(
                ref.host, ref.port, password=ref.password, tls=ref.tls, timeout_s=_CONNECT_S, on_lost=self._gone
            )
        except ValkeyLost:
            return
        try:
            async with asyncio.timeout(_CONNECT_S):
                sha = await ask(connection, b"SCRIPT", b"LOAD", STATE.encode())
        except (ValkeyLost, ValkeyRefused, TimeoutError):
            connection.abort("refused")
            return
        if not isinstance(sha, bytes) or len(sha) != 40:
            connection.abort("nonsense")
            return
        self._sha, self.connection = sha, connection
        self._renewed_at = float("-inf")
