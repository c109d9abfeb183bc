"""Batches of tokens so large that running streams stall behind them."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_INTERACTIVE = ("chat", "low-latency")
_INTERACTIVE_LIMIT = 16_384
_LIMIT = 65_536


@engine_rules.add("batched_tokens")
def batched_tokens(served: Served) -> Iterator[Finding]:
    """One step computes up to `max-num-batched-tokens`; every running stream waits for it."""
    limit = _INTERACTIVE_LIMIT if served.scenario in _INTERACTIVE else _LIMIT
    count = served.count("max-num-batched-tokens", 0)
    if count <= limit:
        return
    why = _("{count} tokens in one step stall running streams and enlarge the encoder cache").format(count=count)
    fix = _("Set {limit} or less").format(limit=limit)
    found = served.finding("batched_tokens", "warning", "max-num-batched-tokens", why, fix)
    # With chunked prefill a smaller batch refuses nothing; without it, it bounds the prompt.
    yield (
        found if served.is_off("enable-chunked-prefill") else served.repairable(found, "max-num-batched-tokens", limit)
    )
