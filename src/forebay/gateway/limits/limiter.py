"""Limits on the request path: reserve before, settle after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from forebay.core.files import write_atomically
from forebay.gateway.call import Call
from forebay.gateway.limits import say
from forebay.gateway.limits.book import Book, Held, Need, Plan
from forebay.gateway.limits.gauges import Spend
from forebay.gateway.limits.lease import Limit
from forebay.gateway.limits.link import Link
from forebay.gateway.limits.need import need_of
from forebay.gateway.limits.policy import LimitsPolicy, ValkeyRef
from forebay.gateway.meter import Meter
from forebay.gateway.refusal import FINAL, Refusal
from forebay.gateway.screen import Asked
from forebay.gateway.snapshot import KeyRecord
from forebay.observe import catalogue

# A grant may be taken by another call before the one that asked for it goes on.
_ROUNDS = 4
_RECORD_S = 1.0
Say = Callable[..., None]


class Limiter:
    """One a worker. `record` is the file that keeps what was spent where no Valkey does."""

    def __init__(self, policy: LimitsPolicy, worker: str, record: Path, meter: Meter, write: Say) -> None:
        self._worker = worker
        self._record = record
        self._recorded: dict[str, dict[int, int]] = {}
        self._recorded_at = 0.0
        self._writing: asyncio.Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, "spent")
        self._meter = meter
        self._write = write
        self.book = Book(policy, time.monotonic, time.time)
        self.link: Link | None = None

    async def start(self) -> None:
        """Be ready for the first call."""
        policy = self.book.policy
        if policy.valkey is None:
            self._restore()
        else:
            self.link = self._link_to(policy.valkey)
            await self.link.start()

    def reserve(self, call: Call, key: KeyRecord, asked: Asked) -> Coroutine[Any, Any, None] | None:
        """Take what the call may use: at once, as nearly always, or by what it returns to be awaited.

        Raises Refusal for the limit that it would exceed.
        """
        book, model = self.book, asked.model
        plan = book.plan(key.id, key.tenant, model.name)
        if plan is None:
            return None
        link = self.link
        if link is not None and not link.leased and link.ref.on_loss == "closed":
            raise _unavailable()
        need = need_of(asked.fields, len(call.body), call.ledger.endpoint, model.context_tokens, book.policy)
        taken = book.take(plan, need)
        if not isinstance(taken, Held):
            return self._reserve_later(call, plan, need, taken)
        self._hold(call, taken)
        return None

    async def _reserve_later(self, call: Call, plan: Plan, need: Need, short: list[tuple[Limit, int]]) -> None:
        self._hold(call, await self._borrow(call, plan, need, short))

    def _hold(self, call: Call, taken: Held) -> None:
        call.held = taken
        call.headers += say.headers(taken.plan)
        link = self.link
        if link is not None and link.leased:
            for limit in taken.plan.limits:
                if limit.thin:
                    link.need(limit)

    def take_of_model(self, asked: Asked, body_bytes: int) -> Held | None:
        """What a step that nobody is charged for takes of its model's own limits; None where there are none.

        Raises Refusal at once for the limit that it would exceed.
        """
        book, link = self.book, self.link
        plan = book.plan_of_model(asked.model.name)
        if plan is None:
            return None
        endpoint, context_tokens = asked.route.endpoint, asked.model.context_tokens
        taken = book.take(plan, need_of(asked.fields, body_bytes, endpoint, context_tokens, book.policy))
        if isinstance(taken, Held):
            return taken
        if link is not None and link.leased:
            link.need(taken[0][0])
        raise say.refusal(*taken[0])

    async def _borrow(self, call: Call, plan: Plan, need: Need, short: list[tuple[Limit, int]]) -> Held:
        """Ask the authority for what is short, as long as it may give it."""
        for _ in range(_ROUNDS):
            link, now = self.link, time.monotonic()
            if link is None or not link.leased:
                break
            if any(limit.full_until > now or units > limit.limit for limit, units in short):
                break
            self._meter.count(catalogue.LIMIT_QUESTIONS)
            await link.answered(call, short)
            taken = self.book.take(plan, need)
            if isinstance(taken, Held):
                return taken
            short = taken
        limit, units = short[0]
        lost = self.link is not None and not self.link.leased
        if lost and isinstance(limit.gauge, Spend) and units <= limit.limit - limit.gauge.used():
            raise _unavailable()
        self._meter.count(catalogue.LIMITED, limit.name[0], limit.name[2])
        call.headers += say.headers(plan)
        refusal = say.refusal(limit, units)
        if not refusal.retry_after_s:
            call.headers += FINAL
        raise refusal

    def settle(self, call: Call) -> None:
        """Put what the engine counted in the place of what was reserved. Where it could not count, the gateway did."""
        held, ledger = call.held, call.ledger
        if held is None:
            return
        call.held = None
        if ledger.answered_by:  # at the price of who answered
            held.plan = msgspec.structs.replace(held.plan, price=self.book.price(ledger.answered_by))
        input_tokens, output_tokens = ledger.input_tokens, ledger.output_tokens
        if not input_tokens and ledger.sent_events:
            # The client left in the middle: the prompt was read, and each event carried a token or more.
            policy = self.book.policy
            input_tokens = int(len(call.body) / policy.prompt_bytes_per_token)
            output_tokens = ledger.sent_events
        self.book.settle(held, input_tokens, output_tokens)

    def start_late(self) -> None:
        """As `start`, of a worker that serves already: alone, until the sweep has found Valkey."""
        policy = self.book.policy
        if policy.valkey is None:
            self._restore()
        else:
            self.link = self._link_to(policy.valkey)
            self.link.begin_alone()

    def update(self, policy: LimitsPolicy) -> None:
        """Take a new policy; what is in use stays counted."""
        before = self.book.policy.valkey
        self.book.update(policy)
        if policy.valkey != before:
            if self.link is not None:
                self.link.close()
                self.link = None
                self._meter.gauge(catalogue.LIMITS_SHARED, 0.0)
            self.book.alone = True
            for limit in self.book.limits.values():
                limit.alone()
            self.start_late()

    def sweep(self, now: float) -> None:
        """A few times a second."""
        self.book.forget(now)
        link = self.link
        if link is not None:
            link.sweep(now)
            self._meter.gauge(catalogue.LIMITS_SHARED, float(link.leased))
        elif now - self._recorded_at > _RECORD_S and self._writing is None:
            self._recorded_at = now
            spent = self.book.spent()
            if spent != self._recorded:
                self._recorded = spent
                # Nobody waits for it: a disk that hangs must not hold up the deadlines of calls.
                content = msgspec.json.encode(spent)
                loop = asyncio.get_running_loop()
                self._writing = loop.run_in_executor(self._thread, write_atomically, self._record, content)
                self._writing.add_done_callback(self._written)

    def _written(self, writing: asyncio.Future[None]) -> None:
        self._writing = None
        if not writing.cancelled() and (error := writing.exception()) is not None:
            self._recorded = {}
            self._unrecorded(error)

    def _unrecorded(self, error: BaseException) -> None:
        self._write("error", "what was spent cannot be recorded", error=str(error))

    def close(self) -> None:
        """The worker stops."""
        if self.link is not None:
            self.link.close()
        elif (spent := self.book.spent()) != self._recorded:
            try:  # behind what is being written, or the older would stay
                self._thread.submit(write_atomically, self._record, msgspec.json.encode(spent)).result()
            except OSError as error:
                self._unrecorded(error)
        self._thread.shutdown()

    def _link_to(self, ref: ValkeyRef) -> Link:
        return Link(ref, self._worker, self.book.limits.values, (time.monotonic, time.time), self._heard)

    def _heard(self, event: str, reason: str) -> None:
        self.book.alone = event != "back"
        ref = self.book.policy.valkey
        if event == "lost" and ref is not None:
            self._meter.count(catalogue.LIMITS_LOST, reason)
            message = "the shared limits are lost; calls go on by valkey.on_loss"
            self._write("error", message, reason=reason, on_loss=ref.on_loss)
        elif event == "new" and ref is not None:
            message = "Valkey is new: until it has heard from every worker, calls go on by valkey.on_loss"
            self._write("info", message, on_loss=ref.on_loss, lease_s=ref.lease_s)
        else:
            self._write("info", "limits are shared")

    def _restore(self) -> None:
        try:
            spent = msgspec.json.decode(self._record.read_bytes(), type=dict[str, dict[int, int]])
        except FileNotFoundError:
            return
        except (OSError, msgspec.DecodeError) as error:
            self._write("error", "what was spent before cannot be read; budgets begin anew", error=str(error))
            return
        self.book.restore(spent)
        self._recorded = spent


def _unavailable() -> Refusal:
    return Refusal("limits_unavailable", "Limits cannot be counted at the moment.", retry_after_s=1)
