"""Answering a call that may be reused: from memory, behind an equal call's generation, or with one of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from forebay.gateway import respond
from forebay.gateway.call import Call
from forebay.gateway.cascade.record import HEADER as CASCADE_HEADER
from forebay.gateway.refusal import Refusal
from forebay.gateway.reuse.answers import Entry
from forebay.gateway.reuse.flight import Follower
from forebay.gateway.reuse.memory import Generate
from forebay.gateway.reuse.plan import HEADER, Plan
from forebay.observe import catalogue
from forebay.wire.chunked import LAST_CHUNK, chunk
from forebay.wire.replay import with_usage

if TYPE_CHECKING:
    from forebay.gateway.parts import Parts

Answer = Callable[[Call, int, bytes], None]
SIMILARITY = "x-forebay-similarity"
_HIT, _MISS = f"{HEADER}: hit\r\n".encode(), f"{HEADER}: miss\r\n".encode()
_ORIGINS = {"hit": _HIT, "joined": _HIT, "semantic": f"{HEADER}: semantic\r\n".encode()}


async def serve_reused(call: Call, plan: Plan, parts: Parts, generate: Generate, answer: Answer) -> None:
    """Answer one call. `generate` makes an answer on another call's behalf; `answer` writes a whole one.

    Raises Refusal: what the generation raises before its answer begins.
    """
    reuse = parts.reuse
    found = reuse.find(plan) or await reuse.fetch(call, plan)
    if found is not None:
        _note(call, plan, "hit", parts)
        _replay(call, plan, found, parts, answer)
        return
    if plan.policy.semantic is not None:
        plan = reuse.meanings.read(plan)
        near = await reuse.meanings.find(call, plan, reuse)
        if near is not None:
            _note(call, plan, "semantic", parts)
            call.headers += b"%b: %.3f\r\n" % (SIMILARITY.encode(), near[1])
            _replay(call, plan, near[0], parts, answer)
            return
    follower, joined = reuse.board(call, plan, generate, parts.view.policy.chunk_s)
    _note(call, plan, "refresh" if plan.fresh else "joined" if joined else "miss", parts)
    try:
        await _follow(call, follower, parts, answer)
    finally:
        follower.leave()


async def _follow(call: Call, follower: Follower, parts: Parts, answer: Answer) -> None:
    await follower.landing()
    flight, ledger = follower.flight, call.ledger
    call.headers += flight.call.headers  # what the generation says of itself
    if not flight.streamed:
        answer(call, flight.call.ledger.status, b"".join(flight.pieces))
        return
    ledger.first_event_at = parts.clock()
    ledger.status = 200
    try:
        await follower.stream(_stream_head(call))
    except Refusal as refusal:
        ledger.code = refusal.code
        follower.stop(refusal)
    else:
        ledger.code = flight.call.ledger.code


def _replay(call: Call, plan: Plan, found: Entry, parts: Parts, answer: Answer) -> None:
    if found.cascade:  # whose answer it is, its reader may want to know the second time too
        call.headers += f"{CASCADE_HEADER}: {found.cascade}\r\n".encode()
    if not plan.streamed:
        answer(call, 200, found.body)
        return
    call.ledger.first_event_at = parts.clock()
    call.ledger.status = 200
    events = with_usage(found.body, found.usage) if plan.keep_usage else found.body
    call.client.write(_stream_head(call) + chunk(events) + LAST_CHUNK)


def _stream_head(call: Call) -> bytes:
    keep_alive = call.client.keeps_alive(call.head)
    return respond.stream_head(call.ledger.request_id, keep_alive=keep_alive, extra=call.headers)


def _note(call: Call, plan: Plan, result: str, parts: Parts) -> None:
    call.ledger.cache = result
    call.headers += _ORIGINS.get(result, _MISS)
    parts.meter.count(catalogue.CACHE, plan.model, result)
