"""A real vLLM on this machine's CPU, measured under several loads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.real_vllm import serving
from forebay.tune.load import Arrivals, ClientLimits, Lengths, Step, Target, Workload, measure
from forebay.tune.report.measured import Measured

ENGINE_ARGS = {"max_sequences": 8, "max_batched_tokens": 2048, "cache_tokens": 45_000}
# Two cores for engine and generator: it is late at times. How late is told with the figures, and allowed here.
_LIMITS = ClientLimits(lag_p99_ms=1000.0, lag_most_ms=1000.0)
_LENGTHS = {
    "input_tokens": Lengths(shape="uniform", tokens=160, least=16, most=400),
    "output_tokens": Lengths(shape="uniform", tokens=32, least=12, most=60),
}
CALIBRATE = Workload(
    arrivals=Arrivals(shape="steps", steps=tuple(Step(rate_rps=rate, duration_s=30.0) for rate in (0.3, 0.8, 1.5))),
    duration_s=None,
    **_LENGTHS,
)
CHECKS = (
    Workload(arrivals=Arrivals(rate_rps=1.0), duration_s=45.0, seed=2, **_LENGTHS),
    Workload(
        arrivals=Arrivals(shape="closed", concurrency=4), duration_s=35.0,
        input_tokens=Lengths(tokens=128), output_tokens=Lengths(tokens=32),
    ),
    Workload(
        arrivals=Arrivals(shape="closed", concurrency=8), duration_s=35.0,
        input_tokens=Lengths(tokens=64), output_tokens=Lengths(tokens=24),
    ),
)  # fmt: skip


def measured(folder: Path) -> tuple[Measured, list[Measured]]:
    """The run to learn from, and the ones to foretell."""
    arguments = [
        *("--max-model-len", "1024", "--no-enable-prefix-caching"),
        *("--max-num-seqs", str(ENGINE_ARGS["max_sequences"])),
        *("--max-num-batched-tokens", str(ENGINE_ARGS["max_batched_tokens"])),
    ]
    with serving(folder, "m", arguments) as url:
        target = Target(url=url, model="m")
        measure(
            target, Workload(requests=3, duration_s=None, arrivals=Arrivals(shape="closed"), **_LENGTHS), limits=_LIMITS
        )
        learned = measure(target, CALIBRATE, limits=_LIMITS)
        return learned, [measure(target, load, limits=_LIMITS) for load in CHECKS]
