"""What one answered call tells the judge, and how calls that may be compared are kept together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Side = Literal["baseline", "canary"]
Stratum = tuple[int, bool, bool]
_NOT_THE_ENGINES_FAULT = range(400, 500)
_TOO_SLOW = 408
# What the log says of a call that a cache looked at, and that an engine answered all the same.
_GENERATED = {"miss", "refresh"}


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One call at one side. Times in seconds; None where the call has no such figure.

    `stratum` holds the prompt's length class, whether the engine had at least half of it in its cache, and whether the
    answer was streamed: a canary that happens to get the long or the cold prompts must not look slower for it.
    """

    side: Side
    stratum: Stratum
    ok: bool
    ttft_s: float | None = None
    itl_s: float | None = None
    output_tokens: int | None = None
    finish: str = ""
    probe_ok: bool | None = None


def stratum(prompt_tokens: int, cached_tokens: int = 0, *, stream: bool = True) -> Stratum:
    """Length classes by powers of four, so that within one the time to the first token varies little by length."""
    return (max(prompt_tokens, 1).bit_length() - 1) // 2, 2 * cached_tokens >= max(prompt_tokens, 1), stream


def observed(line: Mapping[str, Any], side: Side) -> Observation | None:
    """What a line of the access log tells; None for a call that says nothing about the engine.

    That a client asked for something wrong, or left, is not the engine's doing. The queue's time is taken from the
    time to the first token: it belongs to the whole fleet.
    """
    status = int(line["status"])
    reused = line.get("cache", "miss") not in _GENERATED
    if line.get("cancelled") or reused or (status in _NOT_THE_ENGINES_FAULT and status != _TOO_SLOW):
        return None
    tokens, ttft_ms = line["tokens"], line.get("ttft_ms")
    ok = status == 200 and not line.get("code") and not line.get("continuations")
    where = stratum(tokens["input"], line.get("cached_tokens", 0), stream=ttft_ms is not None)
    if not ok:
        return Observation(side=side, stratum=where, ok=False)
    queue_ms = line.get("queue_ms", 0.0)
    # A whole answer tells no first token: its time is all of its tokens', the prompt's reading included.
    since_ms, count = (queue_ms, tokens["output"]) if ttft_ms is None else (ttft_ms, tokens["output"] - 1)
    return Observation(
        side=side,
        stratum=where,
        ok=True,
        ttft_s=None if ttft_ms is None else max(0.0, ttft_ms - queue_ms) / 1000,
        itl_s=(line["latency_ms"] - since_ms) / 1000 / count if count > 0 else None,
        output_tokens=tokens["output"],
        finish=line.get("finish_reason", ""),
    )
