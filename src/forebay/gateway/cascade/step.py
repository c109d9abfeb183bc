"""The first step of a cascade: the small model's answer is given, or the call goes on to the model it asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from forebay.gateway import respond
from forebay.gateway.cascade.eligible import ROUTES, first_asked, may_cascade
from forebay.gateway.cascade.first import First, NotGood
from forebay.gateway.cascade.record import HEADER
from forebay.gateway.cascade.sample import sample
from forebay.gateway.refusal import EngineFailed, Refusal
from forebay.wire.chunked import LAST_CHUNK, chunk

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.cascade.first import Good
    from forebay.gateway.cascade.policy import CascadePolicy
    from forebay.gateway.parts import Parts
    from forebay.gateway.screen import Asked
    from forebay.gateway.view import View

Answer = Callable[["Call", int, bytes], None]


class Second:
    """The model's own part of a call that its first model did not answer: from here on, what it costs."""

    __slots__ = ("_began_at", "_queued_s")

    def __init__(self, call: Call, parts: Parts) -> None:
        self._began_at, self._queued_s = parts.clock(), call.ledger.queue_s

    def ended(self, call: Call, parts: Parts) -> None:
        """The model has answered; the ledger has its tokens."""
        ledger = call.ledger
        held_s = max(0.0, parts.clock() - self._began_at - (ledger.queue_s - self._queued_s))
        parts.cascades.asked(ledger.model, "second", (ledger.input_tokens, ledger.output_tokens), held_s)


async def answered_first(call: Call, asked: Asked, view: View, parts: Parts, answer: Answer) -> Second | None:
    """Have the first model answer. None where its answer was given; `answer` writes a whole one.

    Raises ClientGone, and Refusal where the call's own deadline has come: nothing else ends a call here.
    """
    policy, endpoint = asked.model.cascade, asked.route.endpoint
    if policy is None or endpoint not in ROUTES:
        return Second(call, parts)
    reason = _left_out(asked, policy, parts)
    model = view.models.get(policy.first)
    small = None
    if not reason and model is not None:
        small = first_asked(asked, model, view.offers[model.name].get(endpoint), policy)
    if small is None:
        return _goes_on(call, "skipped", reason or "ineligible", parts)
    try:
        good = await _try(First(call, asked, small, view, parts), policy)
    except NotGood as not_good:
        return _goes_on(call, not_good.outcome, not_good.reason, parts)
    except BaseException:
        parts.cascades.ended(asked.model.name, "cancelled", "")
        raise
    _give(call, asked, good, parts, answer)
    if policy.sample_ratio and parts.cascades.is_due(asked.model.name, policy.sample_ratio):
        sample(call, asked, good.text, view, parts)
    return None


async def _try(first: First, policy: CascadePolicy) -> Good:
    """The first model's answer. Raises NotGood whatever kept it from a good one, unless the call itself has ended."""
    try:
        return await first.answer(policy)
    except EngineFailed as failure:
        reason = "slow" if failure.reason == "timeout" else "no_evidence" if first.answered else "failed"
        raise NotGood("escalated", reason) from None
    except Refusal as refusal:
        if refusal.code == "deadline_exceeded":
            raise
        if first.answered:  # what was to check it got no place
            raise NotGood("escalated", "no_evidence") from None
        raise NotGood("skipped", "not_ready" if refusal.code == "not_ready" else "busy") from None
    finally:
        first.settle()


def _left_out(asked: Asked, policy: CascadePolicy, parts: Parts) -> str:
    """Why the first model is not asked, a bounded word."""
    if not may_cascade(asked.fields, asked.route.endpoint, policy):
        return "ineligible"
    if not parts.fleet.room(policy.first, parts.clock())[1]:
        return "not_ready"
    line = parts.admission.lines.line(policy.first)
    return "busy" if line is not None and line.waiting > policy.waiting else ""


def _goes_on(call: Call, outcome: str, reason: str, parts: Parts) -> Second:
    _say(call, outcome, reason, parts)
    return Second(call, parts)


def _say(call: Call, outcome: str, reason: str, parts: Parts) -> None:
    said = f"{outcome};reason={reason}" if reason else outcome
    call.ledger.cascade = said
    call.headers += f"{HEADER}: {said}\r\n".encode()
    parts.cascades.ended(call.ledger.model, outcome, reason)


def _give(call: Call, asked: Asked, good: Good, parts: Parts, answer: Answer) -> None:
    """Write the first model's answer in the form that was asked for."""
    ledger = call.ledger
    ledger.answered_by = good.model
    ledger.input_tokens, ledger.output_tokens = good.tokens
    parts.cascades.avoided(asked.model.name, good.tokens)
    _say(call, "first", good.reason, parts)
    if not asked.stream:
        answer(call, 200, good.body)
        return
    ledger.first_event_at = parts.clock()
    ledger.status = 200
    head = respond.stream_head(ledger.request_id, keep_alive=call.client.keeps_alive(call.head), extra=call.headers)
    call.client.write(head + chunk(good.body) + LAST_CHUNK)
