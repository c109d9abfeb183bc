"""FP8 on hardware without FP8 tensor cores."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.layers import Facts
from forebay.config.load import Loaded
from forebay.core.errors import Finding
from forebay.lint.engines import Served, vllm_engines
from forebay.lint.run import rules
from forebay.messages import _

# Weight-only FP8 (Marlin) needs Ampere; before it, FP8 weights have no kernel worth running.
_WEIGHT_ONLY_CAPABILITY = 8.0


@rules.add("fp8_hardware")
def fp8_hardware(loaded: Loaded) -> Iterator[Finding]:
    """An A100 gains memory but no speed from FP8; older cards cannot use it."""
    facts = loaded.facts
    if facts is None or facts.fp8 or facts.gpu == "none":
        return
    for served in vllm_engines(loaded):
        yield from _weights(served, facts)
        if served.fp8_cache and facts.compute_capability >= _WEIGHT_ONLY_CAPABILITY:
            why = _("an fp8 KV cache on {gpu} saves memory, not time: it has no FP8 tensor cores")
            fix = _("Keep it for longer contexts; set auto if answers must be exact")
            yield served.finding("fp8_hardware", "note", served.arg("kv-cache-dtype"), why.format(gpu=facts.gpu), fix)


def _weights(served: Served, facts: Facts) -> Iterator[Finding]:
    quantisation = str(served.args.get("quantization") or (served.weights and served.weights.quantisation) or "")
    if not quantisation.startswith("fp8"):
        return
    path = served.arg("quantization") if "quantization" in served.args else (*served.path, "weights")
    if facts.compute_capability >= _WEIGHT_ONLY_CAPABILITY:
        why = _("FP8 weights on {gpu} save memory, not time: it has no FP8 tensor cores").format(gpu=facts.gpu)
        fix = _("AWQ or GPTQ weights are smaller still; H100 and B200 compute in FP8")
        yield served.finding("fp8_hardware", "warning", path, why, fix)
    else:
        why = _("{gpu} cannot run FP8 weights").format(gpu=facts.gpu)
        fix = _("Take AWQ or GPTQ weights, or a smaller model in float16")
        yield served.finding("fp8_hardware", "error", path, why, fix)
