"""What the audit log gets of one call: the intent before an engine hears of it, the outcome before its client does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from forebay.audit.persons import named
from forebay.audit.record import INTENT, OUTCOME, Entry, Fact, bounded
from forebay.gateway import respond
from forebay.gateway.auditing.held_client import HeldClient
from forebay.gateway.auditing.link import AuditLink
from forebay.gateway.auditing.policy import AuditPolicy
from forebay.gateway.auditing.strangers import Strangers
from forebay.gateway.refusal import ClientGone, Refusal
from forebay.observe import catalogue
from forebay.wire.chunked import LAST_CHUNK, chunk

if TYPE_CHECKING:
    from pathlib import Path

    from forebay.gateway.call import Call, Ledger
    from forebay.gateway.ingress import ClientConnection
    from forebay.gateway.meter import Meter
    from forebay.gateway.parts import Parts
    from forebay.gateway.screen import Asked
    from forebay.wire.dialect import Dialect

_NEVER = float("inf")
_PARTING_S = 2.0
_POLL_S = 0.02
_CODE = "audit_unavailable"
_MESSAGE = "This call cannot be recorded at the moment, so it is not answered."
_REFUSED, _FAILED = 400, 500
_WELL = 200


class Auditor:
    """One a worker."""

    def __init__(self, path: Path, policy: AuditPolicy, meter: Meter, clock: Callable[[], float]) -> None:
        self.policy = policy
        self._meter = meter
        self._clock = clock
        self.link = AuditLink(path, lambda result, count: meter.add(catalogue.AUDIT, count, result))
        self._strangers = Strangers(clock())
        self._name = os.urandom(8).hex()
        self._count = 0

    def begin(self, call: Call, dialect: Dialect, version: str) -> None:
        """From here on the end of the answer is kept back. `version` names the snapshot that decides the call."""
        self._count += 1
        held = HeldClient(call.client, dialect)
        call.trail = Trail(f"{self._name}-{self._count:x}", version, self, held, dialect)
        call.client = cast("ClientConnection", held)

    async def intend(self, call: Call, asked: Asked) -> None:
        """Record that the call is admitted. Raises Refusal where that cannot be on the disk in time."""
        trail, ledger = call.trail, call.ledger
        if trail is None:
            return
        trail.subject = named(asked.subject)
        facts = {**trail.facts(ledger), "verdict": "admitted", "stream": asked.stream}
        if await self.durable(call, trail.entry(INTENT, ledger, facts)):
            raise Refusal(_CODE, _MESSAGE, retry_after_s=1)

    async def durable(self, call: Call, entry: Entry) -> str:
        """Wait until `entry` is on the disk; why it is not, a bounded word, empty where it is."""
        began_at = self._clock()
        self.link.post(entry, began_at + self.policy.wait_s, lambda word: call.signal(entry, word))
        word: str = await call.wait(entry)
        self._meter.observe(catalogue.AUDIT_WAIT, self._clock() - began_at, entry.kind)
        return word

    def outcome_of(self, call: Call, trail: Trail) -> Entry:
        """What became of a call."""
        return trail.entry(OUTCOME, call.ledger, trail.outcome(call.ledger, self._clock()))

    def unidentified(self, ledger: Ledger) -> None:
        """Count a refusal of a caller whom nobody knows."""
        self._strangers.add(ledger, self.policy.samples)

    def sweep(self, now: float) -> None:
        """A few times a second."""
        self.link.sweep(now)
        if self.link.connected:
            for entry in self._strangers.due(now, self.policy.summary_s, self.link.unrecorded, self._name):
                self.link.post(entry, _NEVER)
                self.link.unrecorded = 0

    def flush(self) -> None:
        """The worker stops: tell of the refusals that were not told yet."""
        for entry in self._strangers.due(float("inf"), 0.0, self.link.unrecorded, self._name):
            self.link.post(entry, _NEVER)


class Trail:
    """One call's records share its `id`, which unlike a request id is of our own making."""

    __slots__ = ("auditor", "dialect", "held", "id", "purpose", "subject", "version")

    def __init__(self, identity: str, version: str, auditor: Auditor, held: HeldClient, dialect: Dialect) -> None:
        self.id = identity
        self.version = version
        self.auditor = auditor
        self.held = held
        self.dialect = dialect
        self.subject = ""
        self.purpose = ""

    def entry(self, kind: str, ledger: Ledger, facts: dict[str, Fact]) -> Entry:
        return Entry(kind, self.id, time.time_ns() // 1000, facts, self.subject, ledger.client_ip)

    def facts(self, ledger: Ledger) -> dict[str, Fact]:
        """Who, what, by which policy."""
        return {
            "request_id": bounded(ledger.request_id),
            "tenant": ledger.tenant,
            "key": ledger.key_id,
            "endpoint": ledger.endpoint,
            "model": ledger.model,
            "purpose": self.purpose,
            "policy": self.version,
        }

    def outcome(self, ledger: Ledger, now: float) -> dict[str, Fact]:
        """What became of it: numbers, never content."""
        return {
            **self.facts(ledger),
            "verdict": _verdict(ledger),
            "status": ledger.status,
            "code": ledger.code,
            "cancelled": ledger.cancelled,
            "engine": ledger.engine,
            "cache": ledger.cache,
            "cascade": ledger.cascade,
            "answered_by": ledger.answered_by,
            "input_tokens": ledger.input_tokens,
            "output_tokens": ledger.output_tokens,
            "retries": ledger.retries,
            "duration_us": int((now - ledger.started_at) * 1_000_000),
        }


async def conclude(call: Call, parts: Parts) -> None:
    """Record what became of a call, then let the end of its answer out; or say that it could not be recorded."""
    trail, ledger = call.trail, call.ledger
    if trail is None:
        return
    auditor, held = trail.auditor, trail.held
    call.client = held.client
    if not ledger.key_id:
        if ledger.status >= _REFUSED:
            auditor.unidentified(ledger)
        held.release()
        return
    entry = auditor.outcome_of(call, trail)
    # Nobody is there to wait, nobody wants it any more, or it was waited for in vain a moment ago.
    if ledger.cancelled or parts.audit is None or ledger.code == _CODE:
        auditor.link.post(entry, _NEVER)
        held.release()
        return
    call.mend()
    try:
        word = await auditor.durable(call, entry)
    except ClientGone as gone:
        ledger.cancelled = gone.reason
    except Refusal:  # the call's own time is over while its record is awaited
        call.client.abort()
    else:
        if word:
            _refuse_late(call, trail)
        else:
            held.release()


async def told(auditor: Auditor) -> None:
    """The worker stops: what is on its way has a moment to arrive."""
    auditor.flush()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PARTING_S):
            while auditor.link.waiting and auditor.link.connected:  # noqa: ASYNC110  nothing tells that all is answered
                await asyncio.sleep(_POLL_S)
    auditor.link.close()


def _refuse_late(call: Call, trail: Trail) -> None:
    """In the place of what was kept back: a refusal, or behind a stream that has begun an error as its end."""
    refusal = Refusal(_CODE, _MESSAGE, retry_after_s=1)
    ledger, client = call.ledger, call.client
    ledger.code = refusal.code
    if trail.held.streamed:
        client.write(chunk(trail.dialect.error_event(refusal.fault)) + LAST_CHUNK)
        return
    ledger.status = refusal.status
    keep_alive = client.keeps_alive(call.head)
    written = respond.refusal(refusal, ledger.request_id, keep_alive=keep_alive, dialect=trail.dialect)
    client.write(respond.without_body(written) if call.head.method == b"HEAD" else written)


def _verdict(ledger: Ledger) -> str:
    if ledger.cancelled:
        return "cancelled"
    if ledger.status == _WELL:
        return "cut" if ledger.code else "answered"
    return "failed" if ledger.status >= _FAILED else "refused"
