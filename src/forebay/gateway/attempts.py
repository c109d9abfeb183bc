"""Getting an answer out of some engine: one after another, until the first byte of an answer is there."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from forebay.gateway.answer import AnswerReader, WholeAnswer
from forebay.gateway.call import Call
from forebay.gateway.continuation.eligible import new_record
from forebay.gateway.continuation.pumps import RecordedPump
from forebay.gateway.engine_faults import retry_after_s
from forebay.gateway.fleet import EngineSlot
from forebay.gateway.parts import Parts
from forebay.gateway.pump import StreamPump
from forebay.gateway.refusal import EngineFailed, Refusal
from forebay.gateway.residency import serves
from forebay.gateway.screen import Asked, request_for
from forebay.gateway.snapshot import Policy
from forebay.gateway.upstream import EngineConnection
from forebay.gateway.view import View
from forebay.gateway.wants import want_of
from forebay.observe import catalogue
from forebay.wire.response import ResponseHead

# Answers that say that this engine cannot now, but another may. Never a 4xx: the next engine would say the same.
_TRY_ELSEWHERE = {502, 503}
# What the client asked for is too large, on this engine as on any other: no reason to leave the engine alone.
_TOO_LARGE = {"answer_too_large", "event_too_long"}


MakePump = Callable[[EngineConnection, ResponseHead], StreamPump]


# An engine whose certificate is not believed will not be a moment later: only another one is worth waiting for.
_UNTRUSTED = "untrusted"


class Answered(msgspec.Struct, frozen=True):
    """An engine's answer, and the engine whose place the call still holds."""

    engine: EngineSlot
    answer: WholeAnswer | StreamPump


async def reach(call: Call, asked: Asked, view: View, parts: Parts) -> Answered:
    """Ask engines until one answers. The caller gives back the place of the engine that did.

    Raises Refusal: what admission raises, `engine_lost`, `engine_timeout`.
    """
    policy, ledger, name = view.policy, call.ledger, asked.model.name
    avoid, sent = _avoided(call, asked, view), 0
    ledger.priority, wait_s = view.standings.of(ledger.tenant, call.head, flex=asked.flex)
    wait_until = parts.clock() + wait_s - ledger.queue_s  # it may have waited for a first model already
    parts.budget.earn()
    group = parts.fleet.groups.get(name)
    if group is not None and group.plan.needs:
        call.want = want_of(group, call, asked)
    while True:
        at_once = parts.admission.take(call, name, avoid) if not asked.region else None
        engine = at_once or await parts.admission.enter(call, name, avoid, wait_until, asked)
        ledger.engine = engine.ref.name
        asked_at = parts.clock() if call.want.timed else 0.0
        try:
            if not serves(engine.ref, asked):  # those that could are all away
                raise Refusal("not_ready", "No engine that serves this call is ready.", retry_after_s=1)
            request = request_for(engine.ref, asked, ledger.request_id)
            # Not a `partial`, which takes five times as long to make, for a stream that most answers are not.
            make = lambda connection, head: _open_stream(call, asked, view, parts, connection, head)  # noqa: E731
            answer = await ask(call, engine, request, make, policy, parts)
            if isinstance(answer, WholeAnswer) and answer.status in _TRY_ELSEWHERE:
                asked_s = retry_after_s(answer.retry_after)
                raise EngineFailed(f"status_{answer.status}", sent=True, retry_after_s=asked_s)
        except EngineFailed as failure:
            give_up(call, engine, parts, failure.reason)
            if failure.reason in _TOO_LARGE:
                engine.withdrawn()
            else:
                engine.failed(failure.reason)
            avoid |= {engine.ref.name}
            sent += failure.sent
            alone = failure.reason == _UNTRUSTED and avoid >= _names(name, parts)
            if sent >= policy.retry_attempts or alone or not _may_retry(failure, parts):
                raise _lost(failure) from None
            ledger.retries += 1
            parts.meter.count(catalogue.RETRIES, failure.reason)
        except BaseException:
            give_up(call, engine, parts, "cancelled")
            engine.withdrawn()
            raise
        else:
            _judge(engine, answer, asked_at, parts)
            return Answered(engine, answer)


def _names(model: str, parts: Parts) -> set[str]:
    return {engine.ref.name for engine in parts.fleet.by_model.get(model, ())}


def _avoided(call: Call, asked: Asked, view: View) -> frozenset[str]:
    """The engines that cannot serve the call, and those that are not in its lane of a rollout."""
    if asked.model.rollout is None:
        return asked.unable
    return asked.unable | view.lanes[asked.model.name].assign(call.ledger, asked.session, call.head.release)


def _judge(engine: EngineSlot, answer: WholeAnswer | StreamPump, asked_at: float, parts: Parts) -> None:
    """Tell the engine's slot what came of the call: its failures count against it, its time to first token for it."""
    if isinstance(answer, StreamPump):
        engine.answered()
        if asked_at:
            engine.first_token((now := parts.clock()) - asked_at, now)
    elif answer.status >= 500:
        engine.erred(f"status_{answer.status}")
    else:
        engine.answered()


def _may_retry(failure: EngineFailed, parts: Parts) -> bool:
    # What never reached an engine has cost nothing: it may wait for one that comes back, as long as any call may wait.
    # What did reach one is a second piece of work and comes out of the budget.
    if failure.reason == "timeout" or failure.reason in _TOO_LARGE:
        return False  # the time is spent, or the next answer is as large
    return not failure.sent or parts.budget.spend()


def _lost(failure: EngineFailed) -> Refusal:
    if failure.reason == "timeout":
        return Refusal("engine_timeout", "The engine did not begin to answer in time.")
    if failure.reason in _TOO_LARGE:
        return Refusal("answer_too_large", "The engine's answer is too large; ask for less, or for it as a stream.")
    return Refusal(
        "engine_lost", "The engine went away and no other could answer.", retry_after_s=failure.retry_after_s or 1
    )


def give_up(call: Call, engine: EngineSlot, parts: Parts, outcome: str) -> None:
    """Give back the place at an engine that is done with; what it still works on is aborted."""
    upstream, call.upstream = call.upstream, None
    if upstream is not None:
        upstream.abort()
    parts.admission.leave(engine, call)
    engine.ended(outcome)


async def ask(
    call: Call, engine: EngineSlot, request: bytes, make_pump: MakePump, policy: Policy, parts: Parts
) -> WholeAnswer | StreamPump:
    """Send one request to one engine and wait until its answer is whole, or its stream has an event.

    Raises EngineFailed.
    """
    while True:
        connection = engine.pool.take() or await _wait_for_one(call, engine, policy.connect_s, parts)
        call.upstream = connection
        now = parts.clock()
        reader = AnswerReader(call, connection, policy.answer_bytes, make_pump, now)
        connection.send(request, reader, now + policy.first_byte_s)
        try:
            answer: WholeAnswer | StreamPump = await call.wait(connection)
        except EngineFailed as failure:
            if failure.reason != "stale":
                raise
        else:
            if isinstance(answer, WholeAnswer):
                call.upstream = None  # it is back in the pool; neither a slow client nor a retry may touch it there
            return answer


async def _wait_for_one(call: Call, engine: EngineSlot, timeout_s: float, parts: Parts) -> EngineConnection:
    """A connection that another call gives back, or a new one. Raises EngineFailed where none can be opened."""
    began_at, ticket, pool = parts.clock(), object(), engine.pool

    def told(failure: str) -> None:
        if failure:
            call.fail(ticket, EngineFailed(failure, sent=False))
        else:
            call.signal(ticket, None)

    try:
        pool.wait(ticket, timeout_s, told)
        await call.wait(ticket)
    finally:
        pool.leave(ticket)
    call.ledger.connect_s += parts.clock() - began_at
    connection = pool.take()
    if connection is None:
        raise EngineFailed("reset", sent=False)
    return connection


def _open_stream(
    call: Call, asked: Asked, view: View, parts: Parts, connection: EngineConnection, head: ResponseHead
) -> StreamPump:
    policy, gaps = view.policy, parts.meter.gaps(asked.model.name)
    if asked.recorded:
        pump: StreamPump = RecordedPump(call, connection, head, gaps).recording(new_record(asked.fields))
    else:
        pump = StreamPump(call, connection, head, gaps)
    return pump.bound(event_bytes=policy.event_bytes, chunk_s=policy.chunk_s, keep_usage=asked.keep_usage).speaking(
        asked.route.dialect
    )
