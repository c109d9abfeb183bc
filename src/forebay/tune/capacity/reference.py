"""Points that were measured on real hardware, and how far the analytic model is from each."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import msgspec

from forebay.tune.capacity.accelerators import Efficiency
from forebay.tune.capacity.analytic import Build, Served, engine
from forebay.tune.figures import read_figures
from forebay.tune.load.workload import Arrivals, Lengths, Workload
from forebay.tune.simulate.outcome import Outcome
from forebay.tune.simulate.play import play
from forebay.tune.simulate.spec import Fleet
from forebay.tune.simulate.traffic import traffic
from forebay.tune.simulate.validate import Compared

_FILE = Path(__file__).with_name("reference.yaml")
_BYTES_OF_PARAMETER = 2


class Point(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One engine under one load, and what was measured of it."""

    name: str
    eager: bool
    asynchronous: bool
    fp8_weights: bool
    fp8_cache: bool
    memory_share: float
    max_sequences: int
    max_batched_tokens: int
    concurrency: int
    output_tokens_per_s: float
    ttft_p50_ms: float
    tpot_p50_ms: float
    e2e_p50_ms: float
    e2e_p95_ms: float
    cache_tokens: float


class _Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    layers: int
    heads: int
    kv_heads: int
    head_size: int
    hidden: int
    weight_bytes: int


class _Load(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    input_tokens: int
    output_tokens: int


class _Reference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    source: str
    date: str
    accelerator: str
    model: _Model
    load: _Load
    points: tuple[Point, ...]


def points() -> tuple[Point, ...]:
    """All of them."""
    return _reference().points


def source() -> str:
    """Where they come from, and when."""
    return f"{_reference().source} ({_reference().date})"


def errors(at: Point, efficiency: Efficiency | None = None) -> tuple[Compared, ...]:
    """The figures of one point, measured and by the analytic model played through the simulator."""
    found, tokens = simulated(at, efficiency)
    pairs = {
        "cache_tokens": float(tokens),
        "output_tokens_per_s": found.output_tokens_per_s,
        "ttft_p50_ms": found.ttft.p50_ms if found.ttft else 0.0,
        "tpot_p50_ms": found.tpot.p50_ms if found.tpot else 0.0,
        "e2e_p50_ms": found.e2e.p50_ms if found.e2e else 0.0,
        "e2e_p95_ms": found.e2e.p95_ms if found.e2e else 0.0,
    }
    return tuple(
        Compared(figure=name, measured=getattr(at, name), simulated=value, error_ratio=value / getattr(at, name) - 1)
        for name, value in pairs.items()
    )


def simulated(at: Point, efficiency: Efficiency | None = None) -> tuple[Outcome, int]:
    """One wave of calls, all at once: what the latencies that were measured have been made by."""
    reference = _reference()
    shape = reference.model
    model = Served(
        weight_bytes=shape.weight_bytes,
        parameters=shape.weight_bytes / _BYTES_OF_PARAMETER,
        layers=shape.layers,
        kv_bytes_per_token=2 * shape.layers * shape.kv_heads * shape.head_size * _BYTES_OF_PARAMETER,
        hidden=shape.hidden,
        heads=shape.heads,
        head_size=shape.head_size,
    )
    build = Build(
        accelerator=reference.accelerator, eager=at.eager, asynchronous=at.asynchronous, fp8_weights=at.fp8_weights,
        fp8_cache=at.fp8_cache, memory_share=at.memory_share, max_sequences=at.max_sequences,
        max_batched_tokens=at.max_batched_tokens,
    )  # fmt: skip
    made = engine(model, build, efficiency)
    load = Workload(
        arrivals=Arrivals(shape="closed", concurrency=at.concurrency),
        input_tokens=Lengths(tokens=reference.load.input_tokens),
        output_tokens=Lengths(tokens=reference.load.output_tokens),
        requests=at.concurrency,
        duration_s=None,
    )
    return play(Fleet(engines=(made,)), traffic(load)), made.cache_tokens


@cache
def _reference() -> _Reference:
    return read_figures(_FILE, _Reference)
