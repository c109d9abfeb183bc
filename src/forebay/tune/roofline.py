"""How far a load is from what memory and arithmetic allow.

Each decoding step must read all weights once and the keys and values of every running sequence; each token costs two
operations a parameter. What those take at the machine's own speeds, as a share of the time that passed, is the
distance: 1 would be a machine that does nothing else. Prompts that share a step with decoding read no weights again.
"""

from __future__ import annotations

from forebay.config.weights import Weights
from forebay.tune.hardware import Machine
from forebay.tune.objective import Objective
from forebay.tune.setting import Setting
from forebay.tune.trial import Distance, Rung

_QUANTISED = ("fp8", "modelopt", "experts_int8", "compressed-tensors")
ENOUGH_RATIO = 0.80
"""Beyond this share of the roofline flags have little left to give; what is left is kernels and hardware."""


def distance(
    rung: Rung, setting: Setting, weights: Weights | None, machine: Machine, objective: Objective
) -> Distance | None:
    """The distance of a load that was measured; None where size or speed is unknown."""
    if weights is None or not weights.total_bytes or not machine.bandwidth_bytes_s or not rung.output_tokens_per_s:
        return None
    halved = setting.args.get("quantization") in _QUANTISED and weights.quantisation is None
    weight_bytes = weights.total_bytes * (0.52 if halved else 1.0)
    element = 1 if str(setting.args.get("kv-cache-dtype", "auto")).startswith("fp8") else 2
    running = rung.gauges.get("running") or _running(rung)
    tokens = objective.input_tokens.tokens + objective.output_tokens.tokens / 2
    read = weight_bytes * setting.copies / max(running, 1.0) + tokens * weights.kv_bytes_per_token(element)
    eight_bits = halved or weights.quantisation == "fp8"
    flops = machine.fp8_flops if eight_bits and machine.fp8_flops else machine.flops
    parameters = weights.total_bytes / _bytes_of_parameter(weights)
    work = 2 * parameters * (rung.input_tokens_per_s + rung.output_tokens_per_s)
    return Distance(
        bandwidth_ratio=rung.output_tokens_per_s * read / machine.bandwidth_bytes_s,
        compute_ratio=work / flops if flops else 0.0,
        bytes_per_token=read,
        how=machine.how,
    )


def _running(rung: Rung) -> float:
    """Sequences that decode at a time, by Little's law: rate times the time of an answer after its first token."""
    if rung.e2e_p50_ms and rung.e2e_p50_ms > rung.ttft_p50_ms:
        return rung.requests_per_s * (rung.e2e_p50_ms - rung.ttft_p50_ms) / 1000
    return float(rung.concurrency)


def _bytes_of_parameter(weights: Weights) -> float:
    if weights.quantisation:
        return 1.02 if "8" in weights.quantisation or weights.quantisation == "modelopt" else 0.56
    return 4.0 if weights.dtype == "float32" else 2.0
