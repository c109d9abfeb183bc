"""A context longer than the model was made for."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

_STRETCH = ("hf-overrides", "rope-scaling", "rope-theta", "hf-config-path")
_VARIABLE = "VLLM_ALLOW_LONG_MAX_MODEL_LEN"
_OFF = (None, "", "0")


@engine_rules.add("context_model")
def context_model(served: Served) -> Iterator[Finding]:
    """vLLM refuses a `max-model-len` beyond the model's positions, unless RoPE is stretched."""
    weights, context = served.weights, served.count("max-model-len", 0)
    if weights is None or not weights.context_tokens or weights.stretched or context <= weights.context_tokens:
        return
    if any(flag.partition(".")[0] in _STRETCH for flag in served.args) or served.env.get(_VARIABLE) not in _OFF:
        return
    why = _("{context} tokens are more than the {positions} that the model has positions for, says {source}")
    why = why.format(context=context, positions=weights.context_tokens, source=weights.source)
    fix = _("Set {positions} or less, or stretch it with hf-overrides where its makers say how")
    fix = fix.format(positions=weights.context_tokens)
    yield served.finding("context_model", "error", "max-model-len", why, fix)
