"""Plays a schedule: sends what is due when it is due, whatever has become of what was sent before."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Awaitable, Callable, Iterator

from forebay.tune.load.bodies import Bodies, Turn
from forebay.tune.load.exchange import Exchange
from forebay.tune.load.pool import Pool
from forebay.tune.load.prompts import Writer
from forebay.tune.load.schedule import Planned, endless, planned
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Workload

_SWEEP_S = 0.25
_BEAT_S = 0.02
_AFTER_FAILURE_S = 0.5
_BREATH_S = 0.02
_HOPELESS_S = 5.0
_HOPELESS_SHARE = 0.5
_TURN_STRIDE = 1 << 40  # so that no turn has the number of another session's first


class Session:
    """One session under way: its turns so far."""

    __slots__ = ("answer", "at", "begun", "plan", "prompt", "said_tokens", "system")

    def __init__(self, plan: Planned) -> None:
        self.plan = plan
        self.at = 0
        self.begun: list[Turn] = []
        self.prompt = ""
        self.answer = ""
        self.said_tokens = 0
        self.system = ""


class Player:
    """One process's share of a load. After `play`, `ended` holds every exchange.

    `lags_s`: how late it was with each request; `beats_s`: how late its loop was every 20 ms. Of what only holds the
    load up nothing is kept, and `sent` does not count it. `behind_s`: how late it was when it gave an open loop up that
    this machine cannot send; 0 otherwise.
    """

    def __init__(self, target: Target, workload: Workload, writer: Writer, share: tuple[int, int]) -> None:
        self.ended: list[Exchange] = []
        self.lags_s, self.beats_s = array("d"), array("d")
        self.live = 0
        self.sent = 0
        self.behind_s = 0.0
        self._load = workload
        self._holds = workload.arrivals.hold and workload.arrivals.shape == "closed"
        self._enough = False
        self._writer = writer
        self._share = share
        self._bodies = Bodies(target, workload)
        self._pool = Pool(target, self._take)
        self._loop = asyncio.get_running_loop()
        self._start = 0.0
        self._sessions: dict[Exchange, Session] = {}
        self._supply: Iterator[Planned] | None = None
        self._waiting = 0  # for their time, and will count
        self._beside: set[Exchange] = set()  # sent to hold the load up, and not counted
        self._idle = asyncio.Event()

    @property
    def out_of_sockets(self) -> bool:
        """Whether this machine had no more connections to give."""
        return self._pool.out_of_sockets

    async def play(self, start: float, others: Callable[[], Awaitable[None]]) -> None:
        """Play everything from `start` of the monotonic clock; returns when the last answer has ended.

        A load that is held goes on until `others` returns: other processes' answers are being counted.
        """
        self._start = start
        watching = [asyncio.ensure_future(self._sweep()), asyncio.ensure_future(self._beat())]
        try:
            if self._load.arrivals.shape == "closed":
                await self._closed()
            else:
                await self._open()
            while not self._is_over and not self._is_hopeless:
                self._idle.clear()
                await self._idle.wait()
            self._enough = True
            if self._load.arrivals.hold and not self._is_hopeless:
                await others()
        finally:
            for task in watching:
                task.cancel()
            self._supply = None
            self._pool.close()

    @property
    def _is_hopeless(self) -> bool:
        """Whether what was seen can only be refused: to wait for the rest would cost time alone."""
        return self.behind_s > 0 or self._pool.out_of_sockets

    @property
    def _is_over(self) -> bool:
        """Whether everything that counts has ended."""
        return self.live == len(self._beside) and not self._waiting

    def _counts(self, at: float) -> bool:
        """Whether what begins then is a part of the measurement; else it only holds the load up."""
        return not self._enough and at - self._start < self._load.longest_s

    async def _open(self) -> None:
        breathed = time.monotonic()
        for plan in planned(self._load, *self._share):
            session = Session(plan)
            intended = self._start + plan.at_s
            # Made before it is due: the time that it takes must not be the request's.
            exchange = self._first(session, intended)
            now = time.monotonic()
            wait_s = intended - now
            if wait_s > 0 or now - breathed > _BREATH_S:
                # Who is late lets answers be read all the same, and hears that the run is to end.
                await asyncio.sleep(max(0.0, wait_s))
                breathed = time.monotonic()
                self._give_up(breathed - intended, breathed - self._start)
                if self._is_hopeless:
                    return
            self._send(exchange, session)

    def _give_up(self, late_s: float, played_s: float) -> None:
        """A machine that sends less than half of what is due is not going to catch up."""
        if late_s > max(_HOPELESS_S, _HOPELESS_SHARE * played_s):
            self.behind_s = late_s

    async def _closed(self) -> None:
        await asyncio.sleep(max(0.0, self._start - time.monotonic()))
        self._supply = endless(self._load, *self._share)
        share, shares = self._share
        clients, spread_s = self._load.arrivals.concurrency, self._load.arrivals.spread_s
        breathed = time.monotonic()
        for client in range(share, clients, shares):
            now = time.monotonic()
            wait_s = self._start + spread_s * client / clients - now if spread_s else 0.0
            if wait_s > 0 or now - breathed > _BREATH_S:
                await asyncio.sleep(max(0.0, wait_s))
                breathed = time.monotonic()
            if self._is_hopeless:
                return
            self._next_of_slot()

    def _next_of_slot(self) -> None:
        now = time.monotonic()
        counts = self._counts(now)
        if not counts and not self._holds:
            return
        plan = next(self._supply, None) if self._supply is not None else None
        if plan is None:
            return
        session = Session(plan)
        self._send(self._first(session, now), session, counts=counts)

    def _first(self, session: Session, intended: float) -> Exchange:
        plan = session.plan
        tokens = plan.turns[0]
        if plan.blocks:
            prompt = self._writer.of_blocks(plan.blocks, tokens[0])
        elif self._load.shared_spellings > 1:
            session.system, prompt = self._writer.parts(plan.text, tokens[0])
        else:
            prompt = self._writer.prompt(plan.text, tokens[0])
        return self._exchange(session, prompt, intended)

    def _exchange(self, session: Session, prompt: str, intended: float) -> Exchange:
        own, most = session.plan.turns[session.at]
        session.prompt = prompt
        request = self._bodies.request(session.plan.number, prompt, most, tuple(session.begun), session.system)
        exchange = Exchange(session.plan.number, intended, request, (session.said_tokens + own, most))
        if len(session.plan.turns) > 1:
            exchange.text = []
        return exchange

    def _send(self, exchange: Exchange, session: Session, *, counts: bool = True) -> None:
        if counts:
            # Counted where it leaves our hands: that a connection must be opened first is part of the service's time.
            self.lags_s.append(max(0.0, time.monotonic() - exchange.intended))
            self.sent += 1
        else:
            self._beside.add(exchange)
        self.live += 1
        if len(session.plan.turns) > 1:
            self._sessions[exchange] = session
        self._pool.send(exchange)

    def _take(self, exchange: Exchange) -> None:
        """One exchange has ended: whatever follows from it begins."""
        self.live -= 1
        exchange.request = b""
        if exchange in self._beside:
            self._beside.discard(exchange)
        else:
            self.ended.append(exchange)
        session = self._sessions.pop(exchange, None)
        if session is not None:
            session.answer, exchange.text = "".join(exchange.text or ()), None
            session.said_tokens = exchange.planned_input + exchange.tokens
        if session is not None and not exchange.reason and session.at + 1 < len(session.plan.turns):
            due = exchange.ended + self._load.think_s
            counts = not self._holds or self._counts(due)
            self._later(self._load.think_s, counts, lambda: self._go_on(due, session, counts=counts))
        elif self._supply is not None:
            self._again(exchange)
        if self._is_over or self._is_hopeless:
            self._idle.set()

    def _again(self, exchange: Exchange) -> None:
        """The client of what has ended asks anew; a service that refuses at once is not asked as fast as we can."""
        delay_s = _AFTER_FAILURE_S if exchange.reason else 0.0
        counts = self._counts(time.monotonic() + delay_s)
        self._later(delay_s, counts, self._next_of_slot)

    def _later(self, delay_s: float, counts: bool, what: Callable[[], None]) -> None:
        self._waiting += counts

        def run() -> None:
            self._waiting -= counts
            what()
            if self._is_over:
                self._idle.set()

        if delay_s > 0:
            self._loop.call_later(delay_s, run)
        else:
            self._loop.call_soon(run)

    def _go_on(self, due: float, session: Session, *, counts: bool) -> None:
        session.begun.append(Turn(session.prompt, session.answer))
        session.at += 1
        number = session.plan.text + session.at * _TURN_STRIDE
        prompt = self._writer.prompt(number, session.plan.turns[session.at][0], follows=True)
        self._send(self._exchange(session, prompt, due), session, counts=counts)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._pool.expire(time.monotonic() - self._load.timeout_s)

    async def _beat(self) -> None:
        """Notes how late this loop is: an answer that waits to be read looks like one that came late."""
        while True:
            due = time.monotonic() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self.beats_s.append(max(0.0, time.monotonic() - due))
