"""Whether a call may be answered by reuse, and under which key. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from forebay.gateway.refusal import Refusal
from forebay.gateway.reuse.identity import ROUTES, is_deterministic, key_of, may_be_reused
from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.reuse.semantic.question import Question
from forebay.gateway.support import NOBODY

if TYPE_CHECKING:
    from forebay.gateway.call import Call
    from forebay.gateway.screen import Asked
    from forebay.gateway.snapshot import KeyRecord
    from forebay.gateway.view import View

HEADER = "x-forebay-cache"
_MODES = (b"", b"use", b"bypass", b"refresh")
# The class and the deadline that a call asks for, and whether it may wait for longest.
Turn = tuple[bytes, bytes, bool]
Place = tuple[bytes, bool, bool, Turn]


class Plan(msgspec.Struct, frozen=True):
    """How one call may be reused. `fresh`: what is remembered is not looked at, only replaced.

    `hard` and `fields` are what the key was made of; `question` is what may be compared by meaning, once it is known.
    `turn` is how its caller waits for a place, `avoid` the engines whose answer is not of its lane of a rollout.
    """

    key: bytes
    model: str
    policy: CachePolicy
    streamed: bool
    keep_usage: bool
    fresh: bool
    hard: tuple[str, ...]
    fields: dict[str, Any]
    turn: Turn = (b"", b"", False)
    avoid: frozenset[str] = NOBODY
    question: Question | None = None

    @property
    def flight(self) -> Place:
        """Calls with equal ones may follow one generation: their bytes are the same, and their place in the queue."""
        return (self.key, self.streamed, self.keep_usage, self.turn)


def plan(call: Call, asked: Asked, key: KeyRecord, view: View) -> Plan | None:
    """The plan of one call, None where it is generated for itself.

    Raises Refusal `invalid_value` for a header that asks for something else.
    """
    head = call.head
    policy, mode, route = asked.model.cache, head.cache, asked.route.endpoint
    if policy is None:
        return None
    if mode not in _MODES:
        raise Refusal("invalid_value", f"{HEADER} must be use, bypass or refresh.", param=HEADER)
    if mode == b"bypass" or route not in ROUTES or (policy.tenants is not None and key.tenant not in policy.tenants):
        return None
    if not (mode or is_deterministic(asked.fields)) or not may_be_reused(asked.fields):
        return None
    hard: tuple[str, ...] = (policy.version, key.tenant, route, asked.model.name)
    avoid = NOBODY
    if asked.model.rollout is not None:
        lanes = view.lanes[asked.model.name]
        avoid = lanes.assign(call.ledger, asked.session, head.release)
        hard += lanes.apart(call.ledger)
    identity = key_of(hard, asked.fields, view.pepper)
    fresh, turn = mode == b"refresh", (head.queue_class, head.deadline_ms, asked.flex)
    name, stream, usage = asked.model.name, asked.stream, asked.keep_usage
    return Plan(identity, name, policy, stream, usage, fresh, hard, asked.fields, turn, avoid)
