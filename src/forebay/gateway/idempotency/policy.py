"""What a snapshot says about idempotency keys."""

from __future__ import annotations

import msgspec

from forebay.gateway.limits.policy import ValkeyRef


class IdempotencyPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`keys` of one tenant are remembered at once, for `keep_s` after their call ended.

    `answer_bytes` bounds one answer that is kept, `memory_bytes` all of them. Without `valkey` the workers of one state
    directory share a file.
    """

    keep_s: float
    answer_bytes: int
    memory_bytes: int
    keys: int
    valkey: ValkeyRef | None = None
