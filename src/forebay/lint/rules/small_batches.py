"""Batches so small that the accelerator idles."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_FEW_SEQUENCES = 4
_FEW_TOKENS = 1024


@engine_rules.add("small_batches")
def small_batches(served: Served) -> Iterator[Finding]:
    """Decoding reads all weights for each step, however few sequences share it."""
    if served.hardware == "cpu" or served.scenario == "low-latency":
        return
    sequences, tokens = served.count("max-num-seqs", 0), served.count("max-num-batched-tokens", 0)
    if 0 < sequences <= _FEW_SEQUENCES:
        why = _("{count} sequences at once leave most of the accelerator idle; the others wait").format(count=sequences)
        yield served.finding("small_batches", "warning", "max-num-seqs", why, _("Set 32 or more"))
    if 0 < tokens < _FEW_TOKENS:
        why = _("{count} tokens in one step make long prompts slow").format(count=tokens)
        yield served.finding("small_batches", "warning", "max-num-batched-tokens", why, _("Set 2048 or more"))
