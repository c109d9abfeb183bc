"""What a simulation has shown: counts, latencies, and how busy the engines were."""

from __future__ import annotations

import math
from collections import Counter

import msgspec

from forebay.tune.load.workload import Slo
from forebay.tune.report.histogram import Histogram, bucket
from forebay.tune.simulate.job import Job

_US = 1_000_000


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """How a latency is spread, within 0.4 %: the width of the histogram's buckets."""

    count: int
    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that came in one part of the time. `attained_ratio`: share of all of them that kept the objective."""

    from_s: float
    sent: int
    completed: int
    good: int
    lost: int
    rate_rps: float
    attained_ratio: float | None
    ttft_p95_ms: float | None
    e2e_p95_ms: float | None
    waited_p95_ms: float | None


class EngineUse(msgspec.Struct, frozen=True, kw_only=True):
    """One engine. `busy_ratio`: share of the time in which it stepped; `sequences`: those it ran while it did."""

    calls: int
    busy_ratio: float
    sequences: float
    steps: int
    cache_peak_ratio: float
    preemptions: int
    prefix_hit_tokens: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Counts are of all calls, latencies of those that came after the warm-up. `rejected` and `failed` by reason."""

    sent: int
    completed: int
    good: int
    rejected: dict[str, int]
    failed: dict[str, int]
    in_flight: int
    simulated_s: float
    input_tokens: int
    output_tokens: int
    requests_per_s: float
    output_tokens_per_s: float
    goodput_rps: float | None
    attained_ratio: float | None
    ttft: Spread | None
    tpot: Spread | None
    e2e: Spread | None
    waited: Spread | None
    slices: tuple[Slice, ...]
    engines: tuple[EngineUse, ...]


class Tally:
    """Counts the calls of one slice."""

    __slots__ = (
        "_e2e_s",
        "_slo",
        "_tpot_s",
        "_ttft_s",
        "completed",
        "e2e",
        "good",
        "lost",
        "sent",
        "tpot",
        "ttft",
        "waited",
    )

    def __init__(self, slo: Slo | None) -> None:
        self.sent = self.completed = self.good = 0
        self.lost: Counter[str] = Counter()
        self.ttft: dict[int, int] = {}
        self.tpot: dict[int, int] = {}
        self.e2e: dict[int, int] = {}
        self.waited: dict[int, int] = {}
        bounds = slo or Slo()
        self._ttft_s, self._tpot_s, self._e2e_s = (
            _seconds(each) for each in (bounds.ttft_ms, bounds.tpot_ms, bounds.e2e_ms)
        )

    def done(self, job: Job, now: float, call_s: float) -> None:
        """Count a call that was answered at `now`; `call_s` is what it costs outside the engine."""
        self.completed += 1
        ttft = job.first_at - job.arrived_at + call_s
        e2e = now - job.arrived_at + call_s
        _add(self.ttft, ttft)
        _add(self.e2e, e2e)
        _add(self.waited, job.entered_at - job.arrived_at)
        tpot = 0.0
        if job.answer > 1:
            tpot = (now - job.first_at) / (job.answer - 1)
            _add(self.tpot, tpot)
        if ttft <= self._ttft_s and tpot <= self._tpot_s and e2e <= self._e2e_s:
            self.good += 1

    def slice(self, from_s: float, length_s: float, judged: bool) -> Slice:
        """It, as it is shown."""
        lost = self.lost.total()
        over = self.completed + lost
        return Slice(
            from_s=from_s,
            sent=self.sent,
            completed=self.completed,
            good=self.good,
            lost=lost,
            rate_rps=self.sent / length_s,
            attained_ratio=self.good / over if judged and over else None,
            ttft_p95_ms=_quantile(self.ttft, 0.95),
            e2e_p95_ms=_quantile(self.e2e, 0.95),
            waited_p95_ms=_quantile(self.waited, 0.95),
        )


def spread(parts: list[dict[int, int]]) -> Spread | None:
    """All parts together; None where nothing was counted."""
    whole = Histogram()
    for part in parts:
        whole.merge(Histogram(counts=part))
    if not whole.counts:
        return None
    p50, p90, p95, p99 = (whole.quantile_ms(share) for share in (0.5, 0.9, 0.95, 0.99))
    return Spread(
        count=whole.total, mean_ms=whole.mean_ms, p50_ms=p50, p90_ms=p90, p95_ms=p95, p99_ms=p99, max_ms=whole.max_ms
    )


def _add(counts: dict[int, int], seconds: float) -> None:
    index = bucket(int(seconds * _US))
    counts[index] = counts.get(index, 0) + 1


def _quantile(counts: dict[int, int], share: float) -> float | None:
    return Histogram(counts=counts).quantile_ms(share) if counts else None


def _seconds(milliseconds: float | None) -> float:
    return math.inf if milliseconds is None else milliseconds / 1000
