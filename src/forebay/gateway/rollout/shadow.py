"""Copies of a call for the canary and its baseline: what they say is judged and dropped, and nobody pays for it.

Both get one, so that what is compared was asked twice in the same words at the same time. Only where places are free at
once, and few at a time, so that no client ever waits for a copy.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

import msgspec

from forebay.gateway.call import Call, Ledger
from forebay.gateway.cascade.ask import Place, ask_once
from forebay.gateway.cascade.eligible import whole_asked
from forebay.gateway.refusal import EngineFailed, Refusal
from forebay.gateway.settle import access_line
from forebay.wire.finish import finish_in
from forebay.wire.usage import cached_in

if TYPE_CHECKING:
    from forebay.gateway.ingress import ClientConnection
    from forebay.gateway.parts import Parts
    from forebay.gateway.rollout.lanes import Lane, Lanes
    from forebay.gateway.screen import Asked
    from forebay.gateway.view import View

_MOST = 8
"""Copies of one worker at a time."""


def mirror(call: Call, asked: Asked, view: View, parts: Parts) -> None:
    """Send copies of the call, if it is one that is mirrored and there is room for them."""
    lanes = view.lanes[asked.model.name]
    if not lanes.mirrors(call.ledger) or lanes.copies + 2 > _MOST or parts.draining:
        return
    if parts.admission.lines.wait_for(asked.model.name):
        return
    whole = whole_asked(asked)
    sides: tuple[Lane, ...] = ("canary", "baseline") if lanes.policy.baseline else ("canary",)
    for side in sides:
        _send(call, msgspec.structs.replace(whole, unable=asked.unable | lanes.left_out(side)), side, view, parts)


def _send(call: Call, asked: Asked, side: Lane, view: View, parts: Parts) -> None:
    ledger = Ledger(parts.clock(), request_id=f"{call.ledger.request_id[:50]}.{side}", tenant=call.ledger.tenant)
    ledger.model, ledger.endpoint, ledger.lane = asked.model.name, call.ledger.endpoint, side
    ledger.priority = view.standings.lowest
    own = Call(cast("ClientConnection", None), call.head, b"", ledger)  # nobody is written to
    lanes = view.lanes[asked.model.name]
    lanes.copies += 1
    own.run(_ask(own, asked, lanes, view, parts))


async def _ask(own: Call, asked: Asked, lanes: Lanes, view: View, parts: Parts) -> None:
    ledger = own.ledger
    try:
        answer = await ask_once(own, asked, parts.clock(), Place(), view, parts)
        ledger.status = answer.status
        ledger.input_tokens, ledger.output_tokens = asked.route.dialect.usage(answer.body, None) or (0, 0)
        ledger.cached_tokens, ledger.finish = cached_in(answer.body), finish_in(answer.body)
    except Refusal:
        return  # there was no place: that says nothing of the engine
    except EngineFailed as failure:
        ledger.status, ledger.code = 502, failure.reason
    except Exception as error:  # noqa: BLE001  the outermost edge: nobody waits for this, so it is told in the log
        parts.log.write("error", "a copy failed", time.time(), request_id=ledger.request_id, error=type(error).__name__)
        return
    finally:
        lanes.copies -= 1
    parts.log.add(access_line(ledger, "POST", parts.clock(), parts.log, "shadow"))
