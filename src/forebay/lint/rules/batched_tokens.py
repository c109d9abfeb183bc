"""Batches of tokens so large that running streams stall behind them."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.engines import vllm_engines
from forebay.lint.run import rules
from forebay.messages import _

_INTERACTIVE = ("chat", "low-latency")
_INTERACTIVE_LIMIT = 16_384
_LIMIT = 65_536


@rules.add("batched_tokens")
def batched_tokens(loaded: Loaded) -> Iterator[Finding]:
    """One step computes up to `max-num-batched-tokens`; every running stream waits for it."""
    scenario = loaded.config.scenario
    limit = _INTERACTIVE_LIMIT if scenario in _INTERACTIVE else _LIMIT
    for served in vllm_engines(loaded):
        count = served.count("max-num-batched-tokens", 0)
        if count > limit:
            why = _("{count} tokens in one step stall running streams and enlarge the encoder cache").format(
                count=count
            )
            fix = _("Set {limit} or less").format(limit=limit)
            yield served.finding("batched_tokens", "warning", served.arg("max-num-batched-tokens"), why, fix)
