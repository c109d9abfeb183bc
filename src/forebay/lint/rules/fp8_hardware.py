"""FP8 on hardware without FP8 tensor cores."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.config.layers import Facts
from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

# Weight-only FP8 (Marlin) needs Ampere; before it, FP8 weights have no kernel worth running.
_WEIGHT_ONLY_CAPABILITY = 8.0
# Marlin was taught Turing later; this is the first release whose own minimum is known to say so.
_TURING_CAPABILITY, _TURING_RELEASE = 7.5, (0, 32, 0)


@engine_rules.add("fp8_hardware")
def fp8_hardware(served: Served) -> Iterator[Finding]:
    """An A100 gains memory but no speed from FP8; older cards cannot use it."""
    facts = served.facts
    if facts is None or facts.fp8 or facts.gpu == "none":
        return
    yield from _weights(served, facts)
    if not served.fp8_cache:
        return
    if facts.compute_capability >= _WEIGHT_ONLY_CAPABILITY:
        why = _("an fp8 KV cache on {gpu} saves memory, not time: it has no FP8 tensor cores")
        fix = _("Keep it for longer contexts; set auto if answers must be exact")
        yield served.finding("fp8_hardware", "note", "kv-cache-dtype", why.format(gpu=facts.gpu), fix)
    else:
        why = _("{gpu} cannot hold its KV cache in fp8: that needs compute capability 8.0")
        fix = _("Set kv-cache-dtype to auto")
        yield served.finding("fp8_hardware", "error", "kv-cache-dtype", why.format(gpu=facts.gpu), fix)


def _weights(served: Served, facts: Facts) -> Iterator[Finding]:
    if not served.quantisation.startswith("fp8"):
        return
    key = "quantization" if "quantization" in served.args else "weights"
    least = _TURING_CAPABILITY if served.number >= _TURING_RELEASE else _WEIGHT_ONLY_CAPABILITY
    if facts.compute_capability >= least:
        why = _("FP8 weights on {gpu} save memory, not time: it has no FP8 tensor cores").format(gpu=facts.gpu)
        fix = _("AWQ or GPTQ weights are smaller still; H100 and B200 compute in FP8")
        yield served.finding("fp8_hardware", "warning", key, why, fix)
    else:
        why = _("{gpu} cannot run FP8 weights").format(gpu=facts.gpu)
        fix = _("Take AWQ or GPTQ weights, or a smaller model in float16")
        yield served.finding("fp8_hardware", "error", key, why, fix)
