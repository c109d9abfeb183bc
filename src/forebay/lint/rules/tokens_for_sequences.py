"""A batch of tokens too small for its sequences or its prompts."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _


@engine_rules.add("tokens_for_sequences")
def tokens_for_sequences(served: Served) -> Iterator[Finding]:
    """Each running sequence needs a token of every step; without chunked prefill the longest prompt needs one whole."""
    tokens = served.count("max-num-batched-tokens", 0)
    sequences, context = served.count("max-num-seqs", 0), served.count("max-model-len", 0)
    if tokens and sequences > tokens:
        why = _("{sequences} sequences do not fit into a batch of {tokens} tokens: vLLM does not start")
        fix = _("Set max-num-seqs to {tokens} or less, or max-num-batched-tokens to {sequences} or more")
        words = {"sequences": sequences, "tokens": tokens}
        key = "max-num-batched-tokens"
        yield served.finding("tokens_for_sequences", "error", key, why.format(**words), fix.format(**words))
    if tokens and context > tokens and served.is_off("enable-chunked-prefill"):
        why = _("without chunked prefill a prompt of {context} tokens does not fit into a batch of {tokens}")
        fix = _("Turn enable-chunked-prefill on, or set max-num-batched-tokens to {context}")
        words = {"context": context, "tokens": tokens}
        key = "max-num-batched-tokens"
        yield served.finding("tokens_for_sequences", "error", key, why.format(**words), fix.format(**words))
    active = served.count("max-num-active-seqs", 0)
    if sequences and active > sequences:
        why = _("{active} active sequences are more than max-num-seqs, {sequences}: vLLM does not start")
        why = why.format(active=active, sequences=sequences)
        fix = _("Lower max-num-active-seqs")
        yield served.finding("tokens_for_sequences", "error", "max-num-active-seqs", why, fix)
    threshold = served.count("long-prefill-token-threshold", 0)
    if context > 0 and threshold > context:
        why = _("{threshold} tokens are more than max-model-len, {context}: vLLM does not start")
        why = why.format(threshold=threshold, context=context)
        fix = _("Lower it, or remove it")
        yield served.finding("tokens_for_sequences", "error", "long-prefill-token-threshold", why, fix)
