"""One whole answer of one engine of a model, with no second try: whoever asks so knows another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from forebay.gateway.answer import WholeAnswer
from forebay.gateway.attempts import ask, give_up
from forebay.gateway.refusal import EngineFailed, Refusal
from forebay.gateway.residency import serves
from forebay.gateway.routing.want import NOTHING
from forebay.gateway.screen import Asked, request_for
from forebay.gateway.wants import want_of
from forebay.wire.response import BadAnswer, ResponseHead

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.fleet import EngineSlot
    from forebay.gateway.parts import Parts
    from forebay.gateway.pump import StreamPump
    from forebay.gateway.snapshot import Policy
    from forebay.gateway.upstream import EngineConnection
    from forebay.gateway.view import View

_TRY_ELSEWHERE = {502, 503}
_ABOUT_THE_CALL = {"answer_too_large"}


_NEVER = float("inf")


class Place:
    """How long places at engines were held, in seconds: what answers have cost. From `until` on nobody wants them."""

    __slots__ = ("held_s", "until")

    def __init__(self, until: float = _NEVER) -> None:
        self.held_s = 0.0
        self.until = until


async def ask_once(call: Call, asked: Asked, wait_until: float, place: Place, view: View, parts: Parts) -> WholeAnswer:
    """Wait for a place until `wait_until`, then for the answer; `place` bounds that, and notes how long it was held.

    Raises Refusal (no place, no engine), EngineFailed, ClientGone.
    """
    group = parts.fleet.groups.get(asked.model.name)
    call.want = want_of(group, call, asked) if group is not None and group.plan.needs else NOTHING
    avoid = set(asked.unable)
    if asked.model.rollout is not None and not call.ledger.lane:  # it is no call that a rollout compares
        avoid |= view.lanes[asked.model.name].left_out("stable")
    engine = await parts.admission.enter(call, asked.model.name, avoid, wait_until, asked)
    call.ledger.engine = engine.ref.name
    outcome, began_at = "cancelled", parts.clock()
    try:
        if not serves(engine.ref, asked):
            raise Refusal("not_ready", "No engine that serves this call is ready.", retry_after_s=1)
        request = request_for(engine.ref, asked, call.ledger.request_id)
        answer = await ask(call, engine, request, _refuse_stream, _within(place, view.policy, parts), parts)
        if not isinstance(answer, WholeAnswer):
            raise EngineFailed("bad_answer", sent=True)
        if answer.status in _TRY_ELSEWHERE:
            raise EngineFailed(f"status_{answer.status}", sent=True)
    except EngineFailed as failure:
        outcome = failure.reason
        if outcome in _ABOUT_THE_CALL or (outcome == "timeout" and place.until < _NEVER):
            engine.withdrawn()
        else:
            engine.failed(outcome)
        raise
    except BaseException:
        engine.withdrawn()
        raise
    else:
        outcome = _judge(engine, answer)
        return answer
    finally:
        place.held_s += parts.clock() - began_at
        give_up(call, engine, parts, outcome)
        call.want = NOTHING


def _within(place: Place, policy: Policy, parts: Parts) -> Policy:
    """The policy with no more time for an answer than is left. An engine that takes longer has not failed by that."""
    left_s = max(0.0, place.until - parts.clock())
    return policy if left_s >= policy.first_byte_s else replace(policy, first_byte_s=left_s)


def _judge(engine: EngineSlot, answer: WholeAnswer) -> str:
    if answer.status >= 500:
        engine.erred(f"status_{answer.status}")
        return "error"
    engine.answered()
    return "answered" if answer.status < 400 else "refused"


def _refuse_stream(_connection: EngineConnection, _head: ResponseHead) -> StreamPump:
    raise BadAnswer("a stream that nobody asked for")
