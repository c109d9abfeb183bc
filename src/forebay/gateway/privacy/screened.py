"""A call as engines get it under a policy, and its whole answer as its client gets that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from forebay.gateway.privacy.guard import Guard, secret_of
from forebay.gateway.privacy.inspect import inspect_request, shown
from forebay.gateway.refusal import Refusal
from forebay.observe import catalogue
from forebay.privacy.rules import Rules

if TYPE_CHECKING:
    from forebay.gateway.answer import WholeAnswer
    from forebay.gateway.call import Call
    from forebay.gateway.parts import Parts
    from forebay.gateway.screen import Asked
    from forebay.gateway.view import View


async def searched(call: Call, answer: WholeAnswer, guard: Guard, parts: Parts) -> WholeAnswer:
    """An engine's whole answer as its client gets it. Raises Refusal where it gets none."""
    answer = await shown(call, answer, guard, parts)
    body = await parts.turns.take(call, guard.whole(answer.body, call.ledger.endpoint))
    return msgspec.structs.replace(answer, body=body)


async def screened(call: Call, asked: Asked, view: View, rules: Rules, parts: Parts) -> Asked:
    """What is asked, with the guard of its answer. Raises Refusal for what must not be asked."""
    tenant = call.ledger.tenant
    scope = rules.scope(tenant, asked.model.name)
    if scope is None:
        return asked
    guard = Guard(scope, rules, secret_of(view.pepper, tenant), parts.meter, asked)
    if asked.stream and guard.unseen:
        raise Refusal("stream_unsearchable", "What this policy looks for in answers cannot be looked for in streams.")
    changes: dict[str, Any] = {}
    fields, began_at = asked.fields, parts.clock()
    changed = await parts.turns.take(call, guard.ask(fields, asked.route.endpoint), len(call.body))
    if guard.finders or guard.readers:
        changed |= await inspect_request(call, fields, guard, parts)
    parts.meter.observe(catalogue.PHASE, parts.clock() - began_at, "mask")
    if changed:
        if asked.stream and asked.route.usage_option:  # `screen` may have written this into the body alone
            fields["stream_options"] = (fields.get("stream_options") or {}) | {"include_usage": True}
        changes["body"] = orjson.dumps(fields)
    if guard.names or guard.unseen or not scope.output.is_idle:
        changes["guard"] = guard
    return msgspec.structs.replace(asked, **changes)
