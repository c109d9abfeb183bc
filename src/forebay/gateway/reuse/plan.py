"""Whether a call may be answered by reuse, and under which key. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from forebay.gateway.refusal import Refusal
from forebay.gateway.reuse.identity import ROUTES, is_deterministic, key_of, may_be_reused
from forebay.gateway.reuse.policy import CachePolicy
from forebay.gateway.reuse.semantic.question import Question

if TYPE_CHECKING:
    from forebay.gateway.screen import Asked
    from forebay.gateway.snapshot import KeyRecord
    from forebay.wire.request import RequestHead

HEADER = "x-forebay-cache"
_MODES = (b"", b"use", b"bypass", b"refresh")


class Plan(msgspec.Struct, frozen=True):
    """How one call may be reused. `fresh`: what is remembered is not looked at, only replaced.

    `hard` and `fields` are what the key was made of; `question` is what may be compared by meaning, once it is known.
    """

    key: bytes
    model: str
    policy: CachePolicy
    streamed: bool
    keep_usage: bool
    fresh: bool
    hard: tuple[str, ...]
    fields: dict[str, Any]
    question: Question | None = None

    @property
    def flight(self) -> tuple[bytes, bool, bool]:
        """Calls with equal ones may follow one generation: their bytes are the same."""
        return (self.key, self.streamed, self.keep_usage)


def plan(head: RequestHead, asked: Asked, key: KeyRecord, pepper: str) -> Plan | None:
    """The plan of one call, None where it is generated for itself.

    Raises Refusal `invalid_value` for a header that asks for something else.
    """
    policy, mode, route = asked.model.cache, head.cache, asked.route.endpoint
    if policy is None:
        return None
    if mode not in _MODES:
        raise Refusal("invalid_value", f"{HEADER} must be use, bypass or refresh.", param=HEADER)
    if mode == b"bypass" or route not in ROUTES or (policy.tenants is not None and key.tenant not in policy.tenants):
        return None
    if not (mode or is_deterministic(asked.fields)) or not may_be_reused(asked.fields):
        return None
    hard = (policy.version, key.tenant, route, asked.model.name)
    identity = key_of(hard, asked.fields, pepper)
    fresh = mode == b"refresh"
    return Plan(identity, asked.model.name, policy, asked.stream, asked.keep_usage, fresh, hard, asked.fields)
