"""Asking the model itself about what the first one has answered, for comparison: in the background, at nobody's cost.

Only where a place is free at once and nobody waits for one, and few at a time, so that no client ever notices.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, cast

from forebay.gateway.call import Call, Ledger
from forebay.gateway.cascade.agreement import is_exact, overlap_f1
from forebay.gateway.cascade.ask import Place, ask_once
from forebay.gateway.cascade.eligible import whole_asked
from forebay.gateway.cascade.verdict import shown_by
from forebay.gateway.refusal import EngineFailed, Refusal

if TYPE_CHECKING:
    from forebay.gateway.ingress import ClientConnection
    from forebay.gateway.parts import Parts
    from forebay.gateway.screen import Asked
    from forebay.gateway.view import View

_MOST = 2
"""Comparisons of one worker at a time."""
_WAIT_S = 1.0


def sample(call: Call, asked: Asked, given: str, view: View, parts: Parts) -> None:
    """Compare `given`, which the client has, with what the model itself says to the same call."""
    cascades, model = parts.cascades, asked.model.name
    if cascades.sampling >= _MOST or parts.draining or has_no_place(model, parts):
        cascades.compared(model, "dropped")
        return
    ledger = Ledger(parts.clock(), request_id=call.ledger.request_id, tenant=call.ledger.tenant)
    ledger.priority = view.standings.lowest
    own = Call(cast("ClientConnection", None), call.head, b"", ledger)  # nobody is written to
    cascades.sampling += 1
    own.run(_compare(own, whole_asked(asked), given, view, parts))


def has_no_place(model: str, parts: Parts) -> bool:
    """Whether a call for `model` would have to wait."""
    return parts.fleet.room(model, parts.clock())[0] <= 0 or parts.admission.lines.wait_for(model)


async def _compare(own: Call, asked: Asked, given: str, view: View, parts: Parts) -> None:
    cascades, model, place = parts.cascades, asked.model.name, Place()
    try:
        answer = await ask_once(own, asked, parts.clock() + _WAIT_S, place, view, parts)
        shown = shown_by(answer.body) if answer.status == 200 else None
        usage = asked.route.dialect.usage(answer.body, None) or (0, 0)
        cascades.asked(model, "sample", usage, place.held_s)
        if shown is None:
            cascades.compared(model, "failed")
        else:
            result = "exact" if is_exact(given, shown.text) else "differs"
            cascades.compared(model, result, overlap_f1(given, shown.text))
    except (Refusal, EngineFailed):
        cascades.compared(model, "failed")
    except Exception as error:  # noqa: BLE001  the outermost edge: nobody waits for this, so it is told in the log
        parts.log.write(
            "error", "a comparison failed", time.time(), request_id=own.ledger.request_id, error=type(error).__name__
        )
    finally:
        cascades.sampling -= 1
