"""A quantisation that is not the one that the weights have."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

# One family holds what vLLM loads in place of one another.
_FAMILIES = {
    "awq": "awq",
    "auto_awq": "awq",
    "awq_marlin": "awq",
    "gptq": "gptq",
    "auto_gptq": "gptq",
    "gptq_marlin": "gptq",
    "fp8": "fp8",
    "compressed-tensors": "compressed-tensors",
    "bitsandbytes": "bitsandbytes",
    "mxfp4": "mxfp4",
    "modelopt": "modelopt",
}


@engine_rules.add("quantisation_model")
def quantisation_model(served: Served) -> Iterator[Finding]:
    """Weights are quantised once; vLLM refuses to load them as something else."""
    asked, weights = served.args.get("quantization"), served.weights
    if not isinstance(asked, str) or weights is None or not weights.quantisation:
        return
    wanted, has = _FAMILIES.get(asked.lower()), _FAMILIES.get(weights.quantisation.lower())
    if wanted and has and wanted != has:
        why = _("the weights are quantised as {has}, not as {asked}, says {source}")
        why = why.format(has=weights.quantisation, asked=asked, source=weights.source)
        yield served.finding("quantisation_model", "error", "quantization", why, _("Remove it: vLLM reads it there"))
    elif wanted == "fp8" and has == "fp8" and served.cache_dtype == "fp8_e5m2":
        why = _("an fp8_e5m2 KV cache is refused with FP8 weights")
        yield served.finding("quantisation_model", "error", "kv-cache-dtype", why, _("Set fp8"))
