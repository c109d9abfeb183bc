"""Runs of a real engine for the simulator: one to learn from, and others to foretell."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from forebay.core.errors import ForebayError
from forebay.tune.load import Arrivals, ClientLimits, Lengths, Step, Target, Workload, measure
from forebay.tune.report.measured import encode

LEARNED = "learned"
LIMITS = ClientLimits(lag_p99_ms=50.0, lag_ratio=0.25, cpu_share=0.98)
_PROCESSES = 3
_SPARE_S = 15.0


def loads() -> dict[str, Workload]:
    """By name, in the order of their worth."""
    steps = tuple(Step(rate_rps=rate, duration_s=8.0) for rate in (8.0, 30.0, 64.0))
    return {
        LEARNED: Workload(arrivals=Arrivals(shape="steps", steps=steps), duration_s=None),
        "poisson-36": Workload(arrivals=Arrivals(rate_rps=36.0), duration_s=14.0, warm_up_s=4.0, seed=2),
        "closed-32": _closed(32, 512, 128),
        "closed-96": _closed(96, 256, 192),
        "poisson-long": Workload(
            arrivals=Arrivals(rate_rps=12.0),
            input_tokens=Lengths(tokens=1536),
            output_tokens=Lengths(tokens=64),
            duration_s=14.0,
            warm_up_s=4.0,
            seed=3,
        ),
    }


def measured(target: Target, folder: Path, until_s: float) -> None:
    """Write each run as it is made; one that cannot be is told and left out, and so is what there is no time for."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, load in loads().items():
        if time.monotonic() + load.longest_s + _SPARE_S > until_s:
            sys.stderr.write(f"{name}: no time\n")
            return
        try:
            seen = measure(target, load, processes=_PROCESSES, limits=LIMITS)
        except ForebayError as error:
            sys.stderr.write(f"{name}: {error}\n")
            continue
        (folder / f"{name}.json").write_bytes(encode([seen]))
        sys.stderr.write(f"{name}: {seen.requests_per_s:.1f} requests/s\n")


def _closed(concurrency: int, prompt: int, answer: int) -> Workload:
    return Workload(
        arrivals=Arrivals(shape="closed", concurrency=concurrency, spread_s=3.0),
        input_tokens=Lengths(tokens=prompt),
        output_tokens=Lengths(tokens=answer),
        duration_s=14.0,
        warm_up_s=5.0,
    )
