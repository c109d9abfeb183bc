"""Going on with a stream that its engine cut: where, how often, and what the client is told if nobody can."""

from __future__ import annotations

import time

import msgspec
import orjson

from forebay.gateway.answer import WholeAnswer
from forebay.gateway.attempts import ask, give_up
from forebay.gateway.call import Call
from forebay.gateway.continuation.eligible import (
    CHAT,
    COMPLETIONS,
    completion_fields,
    is_sampled,
    may_continue,
)
from forebay.gateway.continuation.pumps import ContinuedPump, RecordedPump
from forebay.gateway.fleet import EngineSlot
from forebay.gateway.parts import Parts
from forebay.gateway.pump import StreamPump
from forebay.gateway.refusal import EngineFailed, Refusal
from forebay.gateway.residency import serves
from forebay.gateway.screen import Asked, post, salted
from forebay.gateway.upstream import EngineConnection
from forebay.gateway.view import View
from forebay.observe import catalogue
from forebay.wire.response import ResponseHead

_MOST = 2
"""Continuations of one call: a third engine that dies under the same call is more likely the call's own doing."""
_TOO_LONG = "event_too_long"


class _GivenUp(Exception):
    """Nobody goes on; `outcome` is a bounded word."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


def recorded(asked: Asked, path: bytes) -> Asked:
    """The call, marked where its stream can be taken up if it should be cut."""
    if asked.stream and may_continue(asked.fields, path):
        return msgspec.structs.replace(asked, recorded=True)
    return asked


async def carry_on(call: Call, asked: Asked, cut: StreamPump, view: View, parts: Parts) -> None:
    """Go on with the stream that `cut` left; whatever happens, the client's stream has an end behind it.

    The place at the engine that cut it is given back already. Raises ClientGone.
    """
    outcome = "cancelled"
    try:
        outcome = await _carry_on(call, asked, cut, view, parts) if isinstance(cut, RecordedPump) else "refused"
    finally:
        parts.meter.count(catalogue.CONTINUATIONS, outcome)
    if outcome in {"continued", "ended"}:
        call.ledger.code = ""


async def _carry_on(call: Call, asked: Asked, pump: RecordedPump, view: View, parts: Parts) -> str:
    ledger = call.ledger
    lanes = parts.view.lanes.get(asked.model.name)
    if lanes is not None:
        asked = msgspec.structs.replace(asked, unable=asked.unable | lanes.foreign(ledger.engine))
    # Of what follows, engines that take no token ids are no choice, and the one that cut the stream is the last.
    engines = parts.fleet.by_model.get(parts.fleet.model_of(asked.model.name), ())
    avoid = {slot.ref.name for slot in engines if not slot.ref.continues} | asked.unable
    try:
        while pump.cut and pump.record.finish_reason is None:
            avoid.add(ledger.engine)
            _prepare(pump, asked, call, parts)
            pump = await _next(call, asked, pump, avoid, view, parts)
    except _GivenUp as given_up:
        pump.give_up()
        return given_up.outcome
    except Refusal as refusal:
        # Whole events are all that the client has: an error may follow them.
        if refusal.code != "deadline_exceeded":
            pump.give_up()
            return "no_engine"
        ledger.code = refusal.code
        pump.stop(refusal)
        return "deadline"
    finally:
        if pump.counts is not None:
            ledger.input_tokens, ledger.output_tokens = pump.counts
    if pump.cut:
        pump.complete(chat=call.head.path == CHAT)
    return "continued" if ledger.continuations else "ended"


def _prepare(pump: RecordedPump, asked: Asked, call: Call, parts: Parts) -> None:
    """See whether what is there can be taken up, and by whom it may be paid."""
    record = pump.record
    if pump.cut == "diverged":
        raise _GivenUp("diverged")
    if record.broken or record.prompt_ids is None or pump.origin is None or pump.cut == _TOO_LONG:
        raise _GivenUp("refused")
    record.back_up()
    if record.owes and is_sampled(asked.fields):
        raise _GivenUp("refused")
    if call.ledger.continuations >= _MOST or not parts.budget.spend():
        raise _GivenUp("no_budget")


async def _next(
    call: Call, asked: Asked, pump: RecordedPump, avoid: set[str], view: View, parts: Parts
) -> RecordedPump:
    """Pass the rest on from one more engine until its stream ends; `pump` again where it has none."""
    wait_until = parts.clock() + view.policy.queue_wait_s
    engine = await parts.admission.enter(call, asked.model.name, avoid, wait_until, asked)
    outcome = "cancelled"
    try:
        if not engine.ref.continues or not serves(engine.ref, asked):
            raise _GivenUp("no_engine")
        _say(call, engine, pump, parts)
        rest = await _ask_for_rest(call, engine, asked, pump, parts)
        await _pass_on(call, rest)
        outcome = rest.cut or "answered"
        if rest.cut:
            parts.meter.count(catalogue.CUT_STREAMS, rest.cut)
    except EngineFailed as failure:
        outcome = failure.reason
        if outcome == "diverged" or outcome.startswith("status_4"):
            engine.withdrawn()
            raise _GivenUp("diverged" if outcome == "diverged" else "refused") from None
        engine.failed(outcome)
        return pump
    except BaseException:
        engine.withdrawn()
        raise
    else:
        engine.answered()
        return rest
    finally:
        give_up(call, engine, parts, outcome)


async def _ask_for_rest(
    call: Call, engine: EngineSlot, asked: Asked, pump: RecordedPump, parts: Parts
) -> ContinuedPump:
    policy, path, record = parts.view.policy, call.head.path, pump.record

    def make_pump(connection: EngineConnection, head: ResponseHead) -> StreamPump:
        rest = ContinuedPump(call, connection, head, parts.meter.gaps(asked.model.name))
        rest.continuing(pump, chat=path == CHAT)
        return rest.bound(event_bytes=policy.event_bytes, chunk_s=policy.chunk_s, keep_usage=asked.keep_usage)

    model = (asked.model.adapter_of is None and engine.ref.served_name) or asked.model.name
    body = completion_fields(asked.fields, path, model, record.prompt_ids or [], record.tokens.tolist())
    request = post(engine.ref, COMPLETIONS, salted(engine.ref, asked, orjson.dumps(body)), call.ledger.request_id)
    answer = await ask(call, engine, request, make_pump, policy, parts)
    if not isinstance(answer, ContinuedPump):
        status = answer.status if isinstance(answer, WholeAnswer) else 0
        raise EngineFailed(f"status_{status}", sent=True)
    return answer


async def _pass_on(call: Call, rest: ContinuedPump) -> None:
    rest.begin(b"")
    if call.client.is_stalled and call.upstream is not None:
        call.upstream.pause()
    if not rest.ended:
        await call.wait(rest)


def _say(call: Call, engine: EngineSlot, pump: RecordedPump, parts: Parts) -> None:
    call.ledger.continuations += 1
    call.ledger.engine = engine.ref.name
    parts.log.write(
        "info",
        "a stream that was cut goes on at another engine",
        time.time(),
        request_id=call.ledger.request_id,
        engine=engine.ref.name,
        reason=pump.cut,
        kept_tokens=pump.record.kept,
    )
