"""A quantisation without a kernel for the hardware."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.core.errors import Finding
from forebay.lint.run import engine_rules
from forebay.lint.served import Served
from forebay.messages import _

# What the methods themselves state (get_min_capability) in the newest release.
_LEAST = {
    "awq": 7.5,
    "auto_awq": 7.5,
    "awq_marlin": 7.5,
    "gptq_marlin": 7.5,
    "bitsandbytes": 7.0,
    "moe_wna16": 7.0,
    "experts_int8": 8.0,
    "mxfp4": 8.0,
    "modelopt_fp4": 7.5,
    "modelopt_mxfp8": 8.0,
    "fbgemm_fp8": 8.0,
    "fp_quant": 10.0,
}
_FP4 = ("mxfp4", "modelopt_fp4")


@engine_rules.add("quantisation_hardware")
def quantisation_hardware(served: Served) -> Iterator[Finding]:
    """Each method states its least compute capability; vLLM refuses to load below it."""
    facts, method = served.facts, served.quantisation
    if facts is None or facts.gpu == "none" or method not in _LEAST:
        return
    key = "quantization" if "quantization" in served.args else "weights"
    if facts.compute_capability < _LEAST[method]:
        why = _("{method} needs compute capability {least}; {gpu} has {capability}")
        why = why.format(method=method, least=_LEAST[method], gpu=facts.gpu, capability=facts.compute_capability)
        fix = _("Take GPTQ weights or float16 ones, or newer hardware")
        yield served.finding("quantisation_hardware", "error", key, why, fix)
    elif method in _FP4 and not facts.fp4:
        why = _("FP4 weights on {gpu} save memory, not time: it has no FP4 tensor cores").format(gpu=facts.gpu)
        yield served.finding("quantisation_hardware", "note", key, why, _("B200 computes in FP4"))
