"""The straight line of a call: identify, screen, reach an engine, answer, settle. Read it from the top."""

from __future__ import annotations

import time
from functools import partial

from forebay.audit.persons import named
from forebay.gateway import respond
from forebay.gateway.answer import WholeAnswer
from forebay.gateway.attempts import Answered, reach
from forebay.gateway.auditing.trail import conclude
from forebay.gateway.call import Call
from forebay.gateway.cascade.step import answered_first
from forebay.gateway.continuation.carry_on import carry_on, recorded
from forebay.gateway.engine_faults import refusal_of
from forebay.gateway.idempotency.claims import replays
from forebay.gateway.identity import admit, client_ip, identify, permit
from forebay.gateway.parts import Parts
from forebay.gateway.privacy.guard import Guard, is_anyones
from forebay.gateway.privacy.outlet import outlet
from forebay.gateway.privacy.screened import screened, searched
from forebay.gateway.privacy.turns import at_once
from forebay.gateway.pump import StreamPump
from forebay.gateway.refusal import ClientGone, Refusal
from forebay.gateway.residency import at_home
from forebay.gateway.reuse.plan import plan as reuse_plan
from forebay.gateway.reuse.prepare import prepare
from forebay.gateway.reuse.serve import serve_reused
from forebay.gateway.rollout.shadow import mirror
from forebay.gateway.routes import MethodNotAllowed, Route, dialect_of, find_route
from forebay.gateway.screen import Asked, screen
from forebay.gateway.settle import settle
from forebay.gateway.several import of_all
from forebay.gateway.view import View, models
from forebay.gateway.wants import learn
from forebay.observe import catalogue
from forebay.wire.finish import finish_in
from forebay.wire.media_type import JSON, media_type
from forebay.wire.usage import cached_in


async def serve(call: Call, parts: Parts) -> None:
    """Carry one call from its whole request to its settled ledger. Raises nothing: this is the outermost edge."""
    view, ledger = parts.view, call.ledger
    try:
        ledger.client_ip = client_ip(call.client.peer, call.head.forwarded_for, view.trusted)
        route = find_route(call.head)
        ledger.endpoint = route.endpoint
        if route.open:
            _answer_probe(call, route, view, parts)
            return
        key = identify(call.head, view, time.time(), route, ledger.client_ip, call.client.peer)
        ledger.tenant, ledger.key_id = key.tenant, key.id
        admit(key, route, ledger.client_ip)
        if route.shape is None:
            _answer(call, 200, models(call.head.path, view, key))
            return
        asked = screen(call.head, call.body, route, view)
        if asked.model.prepare is not None:
            asked = prepare(asked, ledger, view.pepper)
        ledger.model, ledger.stream = permit(key, asked.model.name) if key.bounded else asked.model.name, asked.stream
        asked = asked if not view.guarded else _lawful(call, asked, view, parts)
        parts.meter.decide.observe(parts.clock() - ledger.received_at)
        if call.head.idempotency_key and await replays(call, parts, _answer):
            return
        if parts.limits is not None and (borrowing := parts.limits.reserve(call, key, asked)) is not None:
            await borrowing
        # Behind the limits, since to search is work: who is over theirs gets none of it, nor who is answered again.
        asked = asked if view.privacy is None else await screened(call, asked, view, view.privacy, parts)
        if call.trail is not None and parts.audit is not None:
            await parts.audit.intend(call, asked)
        plan = reuse_plan(call, asked, key, view) if asked.model.cache and is_anyones(asked) else None
        if plan is None:
            await _generate(call, asked, view, parts)
        else:
            generate = partial(_generate, asked=asked, view=view, parts=parts)
            await serve_reused(call, plan, parts, generate, _answer)
    except Exception as error:  # noqa: BLE001  the outermost edge: recorded, answered, never passed on
        _end(call, error, parts)
    finally:
        if call.trail is None:
            try:
                settle(call, parts)
            finally:
                call.client.call_ended()  # whatever happens, the connection must not wait for a call that is over


def _lawful(call: Call, asked: Asked, view: View, parts: Parts) -> Asked:
    """What is asked, as far as law and policy let it pass: where to, and what for. Raises Refusal."""
    tenant = call.ledger.tenant
    if call.trail is not None:
        call.trail.subject = named(asked.subject)  # whom a refusal is about
    asked = asked if not view.homes else at_home(asked, tenant, view.homes)
    if parts.consents is not None:
        parts.consents.admit(call, asked)
    return asked


async def serve_recorded(call: Call, parts: Parts) -> None:
    """`serve`, with the end of the answer kept back until what became of the call is on the audit log."""
    if parts.audit is not None:
        parts.audit.begin(call, dialect_of(call.head.path), parts.view.digest)
    await serve(call, parts)
    if call.trail is not None:
        try:
            await conclude(call, parts)
        finally:
            try:
                settle(call, parts)
            finally:
                call.client.call_ended()


async def _generate(call: Call, asked: Asked, view: View, parts: Parts) -> None:
    """Have an engine answer, and carry what it says to the client."""
    second = None
    if asked.guard is not None:
        call.client = outlet(call, asked, asked.guard)
    if asked.model.cascade is not None:
        answer = _answer if asked.guard is None else partial(_answer_searched, guard=asked.guard)
        second = await answered_first(call, asked, view, parts, answer)
        if second is None:
            return
    asked = recorded(asked, call.head.path) if asked.model.continuation else asked
    answered = await reach(call, asked, view, parts)
    if asked.model.rollout is not None:
        mirror(call, asked, view, parts)
    try:
        if isinstance(answered.answer, WholeAnswer):
            _note_whole(call, answered.answer, asked)
            said = answered.answer if asked.guard is None else await searched(call, answered.answer, asked.guard, parts)
            _answer_whole(call, said, parts)
        else:
            await _stream(call, answered.answer, parts)
    finally:
        _leave(call, answered, parts)
        if answered.engine.ref.kind == "embedded":
            ledger = call.ledger
            ledger.input_tokens, ledger.output_tokens = of_all(
                (ledger.input_tokens, ledger.output_tokens), asked.fields
            )
        if second is not None:
            second.ended(call, parts)
    if asked.model.continuation and call.ledger.code == "stream_cut" and isinstance(answered.answer, StreamPump):
        await carry_on(call, asked, answered.answer, view, parts)


async def _stream(call: Call, pump: StreamPump, parts: Parts) -> None:
    """Commit to this stream and wait for its end."""
    ledger = call.ledger
    ledger.first_event_at = parts.clock()
    ledger.status = 200
    keep_alive = call.client.keeps_alive(call.head)
    pump.begin(respond.stream_head(ledger.request_id, keep_alive=keep_alive, extra=call.headers))
    if not pump.ended:
        try:
            await call.wait(pump)
        except Refusal as refusal:
            ledger.code = refusal.code
            pump.stop(refusal)
    if pump.usage is not None:
        ledger.input_tokens, ledger.output_tokens = pump.usage
    if pump.cut:
        ledger.code = "stream_cut"
        parts.meter.count(catalogue.CUT_STREAMS, pump.cut)


def _note_whole(call: Call, answer: WholeAnswer, asked: Asked) -> None:
    """Note what the engine counted; its failures are ours to word, since they may name its insides."""
    if answer.status >= 400:
        refusal = refusal_of(answer, asked.model.name, asked.route.endpoint)
        raise refusal if asked.guard is None else asked.guard.worded(refusal)
    if answer.status == 200 and (usage := asked.route.dialect.usage(answer.body, None)) is not None:
        call.ledger.input_tokens, call.ledger.output_tokens = usage
        if call.want.blocks or call.ledger.lane:
            call.ledger.cached_tokens = cached_in(answer.body)
        if call.ledger.lane:
            call.ledger.finish = finish_in(answer.body)


def _answer_whole(call: Call, answer: WholeAnswer, parts: Parts) -> None:
    began_at = parts.clock()
    _answer(call, answer.status, answer.body, media_type(answer.content_type))
    parts.meter.answer.observe(parts.clock() - began_at)


def _answer_searched(call: Call, status: int, body: bytes, *, guard: Guard) -> None:
    """A whole answer that the cascade gives."""
    _answer(call, status, at_once(guard.whole(body, call.ledger.endpoint)))


def _answer_probe(call: Call, route: Route, view: View, parts: Parts) -> None:
    """/health: this worker lives. /ready: every model has an engine that takes calls."""
    missing = sorted({m.name for m in view.models.values() if not parts.fleet.routable(m.name)})
    if route.endpoint == "/ready" and (parts.draining or missing):
        reason = "This worker is stopping." if parts.draining else f"No engine is ready for: {', '.join(missing)}."
        raise Refusal("draining" if parts.draining else "not_ready", reason, retry_after_s=1)
    _answer(call, 200, b'{"status":"ok"}')


def _answer(call: Call, status: int, body: bytes, content_type: bytes = JSON) -> None:
    ledger, client = call.ledger, call.client
    ledger.status = status
    if call.claim is not None:
        call.claim.answer = (content_type, body)
    written = respond.whole(
        status,
        body,
        ledger.request_id,
        keep_alive=client.keeps_alive(call.head),
        extra=call.headers,
        content_type=content_type,
    )
    client.write(respond.without_body(written) if call.head.method == b"HEAD" else written)


def _end(call: Call, error: Exception, parts: Parts) -> None:
    """What ended the line before its answer: a refusal, a client that left, or a fault of our own."""
    if isinstance(error, ClientGone):
        _note_gone(call, error)
        return
    if not isinstance(error, Refusal):
        parts.log.write(
            "error",
            "the gateway failed on a call",
            time.time(),
            request_id=call.ledger.request_id,
            error=type(error).__name__,
            place=_place(error),
        )
        error = Refusal("internal_error", "The gateway failed on this request.", close=True)
    _refuse(call, error, parts)


def _refuse(call: Call, refusal: Refusal, parts: Parts) -> None:
    ledger, client = call.ledger, call.client
    if ledger.status:  # an answer had begun: nothing can be put before it
        client.abort()
        return
    if refusal.code == "invalid_api_key":
        refusal = parts.slow_down(refusal, ledger.client_ip)
    ledger.status, ledger.code = refusal.status, refusal.code
    if refusal.close:
        client.close_after_answer()
    extra = call.headers + (refusal.allow if isinstance(refusal, MethodNotAllowed) else b"")
    keep_alive = client.keeps_alive(call.head)
    written = respond.refusal(
        refusal, ledger.request_id, keep_alive=keep_alive, extra=extra, dialect=dialect_of(call.head.path)
    )
    client.write(respond.without_body(written) if call.head.method == b"HEAD" else written)


def _note_gone(call: Call, gone: ClientGone) -> None:
    call.ledger.cancelled, call.ledger.status = gone.reason, 499
    if gone.reason == "client_stalled":
        call.ledger.code = "client_too_slow"


def _leave(call: Call, answered: Answered, parts: Parts) -> None:
    """Give back the engine's place; work that nobody will read is aborted."""
    upstream, call.upstream = call.upstream, None
    answer = answered.answer
    outcome = "answered"
    if isinstance(answer, StreamPump):
        call.ledger.sent_events = answer.events
        if not answer.ended and upstream is not None:
            upstream.abort()
            outcome = "cancelled"
            if answer.usage is not None:
                call.ledger.input_tokens, call.ledger.output_tokens = answer.usage
        elif answer.cut:
            outcome = answer.cut
            answered.engine.erred(answer.cut)
    elif answer.status >= 400:
        outcome = "refused" if answer.status < 500 else "error"
    if call.want.blocks and call.ledger.cached_tokens >= 0:
        learn(call, answered.engine)
    parts.admission.leave(answered.engine, call)
    answered.engine.ended(outcome)


def _place(error: BaseException) -> str:
    """File and line where it was raised: what a log may hold of a traceback, since values may hold content."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
