"""One load of a trial, measured by the load generator and told in the few figures that a ladder needs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import fmean, stdev

import msgspec

from forebay.tune.load.workload import Arrivals, Workload
from forebay.tune.objective import Objective
from forebay.tune.report.measured import Latency, Measured
from forebay.tune.trial import Rung

_Z95, _Z90 = 1.96, 1.645
_FEW = 8
_SPREAD = 0.6
"""Share of the warm-up over which clients begin: no service's users read their prompts all together."""
# Counters of engines by the words that bottlenecks are found by; the first that an engine has.
_COUNTERS = {
    "preemptions": ("vllm:num_preemptions_total",),
    "prompt_tokens": ("vllm:prompt_tokens_total", "llamacpp:prompt_tokens_total"),
    "generation_tokens": ("vllm:generation_tokens_total", "llamacpp:tokens_predicted_total"),
    "iterations": ("vllm:iteration_tokens_total_count", "llamacpp:n_decode_total"),
    "prefix_queries": ("vllm:prefix_cache_queries_total",),
    "prefix_hits": ("vllm:prefix_cache_hits_total",),
    "accepted": ("vllm:spec_decode_num_accepted_tokens_total",),
    "drafted": ("vllm:spec_decode_num_draft_tokens_total",),
}
_GAUGES = {
    "running": ("vllm:num_requests_running", "llamacpp:requests_processing"),
    "waiting": ("vllm:num_requests_waiting", "llamacpp:requests_deferred"),
    "kv_usage": ("vllm:kv_cache_usage_perc", "llamacpp:kv_cache_usage_ratio"),
}


def load_of(objective: Objective, concurrency: int, *, warm_s: float, window_s: float, seed: int) -> Workload:
    """The load of a rung: as many requests in flight, for so long after a warm-up, in which they begin."""
    return Workload(
        arrivals=Arrivals(shape="closed", concurrency=concurrency, spread_s=warm_s * _SPREAD, hold=True),
        input_tokens=objective.input_tokens,
        output_tokens=objective.output_tokens,
        shared_prefix_share=objective.shared_prefix_share,
        shared_prefixes=objective.shared_prefixes,
        shared_spellings=objective.shared_spellings,
        repeat_share=objective.repeat_share,
        duration_s=warm_s + window_s,
        warm_up_s=warm_s,
        stream=objective.stream,
        seed=seed,
    )


def rung_of(measured: Measured, objective: Objective, concurrency: int, gpu: int | None = None) -> Rung:
    """The figures of a run."""
    engine = measured.engine
    card = next((each for each in measured.gpu or () if gpu is None or each.index == gpu), None)
    ttft, tpot, e2e = measured.ttft, measured.tpot, measured.e2e
    rung = Rung(
        concurrency=concurrency,
        requests_per_s=measured.requests_per_s,
        output_tokens_per_s=measured.output_tokens_per_s,
        input_tokens_per_s=measured.input_tokens_per_s,
        ttft_p50_ms=ttft.p50_ms if ttft else 0.0,
        ttft_p95_ms=ttft.p95_ms if ttft else 0.0,
        tpot_p50_ms=tpot.p50_ms if tpot else 0.0,
        tpot_p95_ms=tpot.p95_ms if tpot else 0.0,
        e2e_mean_ms=e2e.mean_ms if e2e else 0.0,
        e2e_p50_ms=e2e.p50_ms if e2e else 0.0,
        e2e_p95_ms=e2e.p95_ms if e2e else 0.0,
        e2e_p99_ms=e2e.p99_ms if e2e else 0.0,
        answer_tokens=_answer_tokens(measured),
        sent=measured.sent,
        failed=sum(measured.failed.values()) + sum(measured.rejected.values()),
        rejected=sum(measured.rejected.values()),
        tokens_sd=_rounds_spread(measured, concurrency),
        latency_sd=_latency_spread(e2e),
        counters=_named(engine.counters if engine else {}, _COUNTERS),
        gauges=_named(engine.gauges if engine else {}, _GAUGES),
        gpu_percent=fmean(card.utilisation_percent) if card and card.utilisation_percent else None,
        gpu_power_w=fmean(card.power_w) if card and card.power_w else None,
        doubts=tuple(f"{doubt.code}: {doubt.text}" for doubt in measured.doubts),
    )
    rung = msgspec.structs.replace(rung, classes=_classes(measured, objective))
    return with_pressure(rung, objective)


def with_pressure(rung: Rung, objective: Objective) -> Rung:
    """How near the load comes to its bounds: 1 just keeps them."""
    slo = objective.slo
    pairs: tuple[tuple[float, float | None], ...] = (
        (rung.ttft_p95_ms, slo.ttft_p95_ms),
        (rung.tpot_p95_ms, slo.tpot_p95_ms),
        (rung.e2e_p95_ms, slo.e2e_p95_ms),
        (rung.e2e_p99_ms, slo.e2e_p99_ms),
    )
    if slo.ttft_p95_ms is not None and rung.classes:
        # Each class must keep the bound by itself: many short requests would hide a few long ones that wait.
        pairs = (*pairs, (max(rung.classes.values()), slo.ttft_p95_ms))
    pressure = max((value / most for value, most in pairs if most is not None), default=0.0)
    return msgspec.structs.replace(rung, pressure=pressure)


def rounds_sd(p50_ms: float, p95_ms: float, rounds: float) -> float:
    """The standard deviation of the logarithm of a closed loop's mean answer time.

    All answers of a round count as one: they wait for the same steps.
    """
    return (p95_ms - p50_ms) / _Z90 / p50_ms / math.sqrt(max(rounds, 1.0)) if p50_ms else 0.0


def _rounds_spread(measured: Measured, concurrency: int) -> float:
    """The same by the answers themselves: percentiles say little where a part of them came out of a cache."""
    each, e2e = measured.per_request, measured.e2e
    begin_s, end_s = measured.steady_s
    took = (
        [
            e2e_ms
            for start_s, e2e_ms, status in zip(each.start_s, each.e2e_ms, each.status, strict=True)
            if not status and e2e_ms is not None and begin_s <= start_s < end_s
        ]
        if each is not None
        else []
    )
    if len(took) > _FEW:
        return stdev(took) / fmean(took) / math.sqrt(max(len(took) / concurrency, 1.0))
    return rounds_sd(e2e.p50_ms, e2e.p95_ms, measured.sent / concurrency) if e2e else 0.0


def _answer_tokens(measured: Measured) -> float:
    """Tokens of a whole answer, on the average of the good ones; 0 where nobody counted."""
    each = measured.per_request
    if each is None:
        return 0.0
    good = [tokens for tokens, status in zip(each.output_tokens, each.status, strict=True) if not status and tokens]
    return fmean(good) if good else 0.0


def _classes(measured: Measured, objective: Objective) -> dict[str, float]:
    """P95 of the time to the first token by the length of prompts, where the objective has several."""
    lengths = sorted(set(objective.input_tokens.values)) if objective.input_tokens.shape == "empirical" else []
    each = measured.per_request
    if len(lengths) < 2 or each is None:
        return {}
    found: dict[str, list[float]] = {}
    begin_s, end_s = measured.steady_s
    for start_s, ttft_ms, tokens in zip(each.start_s, each.ttft_ms, each.input_tokens, strict=True):
        if begin_s <= start_s < end_s and ttft_ms is not None and math.isfinite(ttft_ms):
            nearest = min(lengths, key=lambda length: abs(length - tokens))
            found.setdefault(str(nearest), []).append(ttft_ms)
    return {name: _p95(values) for name, values in sorted(found.items())}


def _p95(values: list[float]) -> float:
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def _named(told: dict[str, float], wanted: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    found = {}
    for word, names in wanted.items():
        name = next((each for each in names if each in told), None)
        if name is not None:
            found[word] = told[name]
    return found


def _spread(interval: tuple[float, float] | None, value: float) -> float:
    """The standard deviation of the logarithm that an interval of 95 % tells."""
    if interval is None or value <= 0 or interval[0] <= 0:
        return 0.0
    return math.log(interval[1] / interval[0]) / (2 * _Z95)


def _latency_spread(latency: Latency | None) -> float:
    return _spread(latency.ci95_p99_ms, latency.p99_ms) if latency else 0.0
