"""What workers hold of the `audit` keys."""

from __future__ import annotations

import msgspec


class AuditPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How long a call waits for its record, and how refusals of callers whom nobody knows are told."""

    wait_s: float = 2.0
    summary_s: float = 10.0
    samples: int = 16
