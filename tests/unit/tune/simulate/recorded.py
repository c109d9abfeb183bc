"""A simulated run in the form of a measured one, so that what made it is known."""

from __future__ import annotations

from collections.abc import Iterator

from forebay.tune.load.target import Target
from forebay.tune.load.workload import Workload
from forebay.tune.report.histogram import Histogram
from forebay.tune.report.measured import Client, Columns, Latency, Measured
from forebay.tune.simulate.job import Job
from forebay.tune.simulate.play import Traffic, play
from forebay.tune.simulate.spec import Fleet
from forebay.tune.simulate.traffic import traffic


class Watched:
    """Passes calls on and keeps when each began and ended to be answered."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic
        self.ended: list[tuple[Job, float]] = []

    def arrivals(self) -> Iterator[Job]:
        return self._traffic.arrivals()

    def after(self, job: Job, now: float) -> Job | None:
        self.ended.append((job, now))
        return self._traffic.after(job, now)


def recorded(fleet: Fleet, load: Workload) -> Measured:
    """What `bench run` would have seen of this fleet."""
    watched = Watched(traffic(load))
    found = play(fleet, watched)
    call_s = fleet.engines[0].step.call_s
    ended = sorted(watched.ended, key=lambda each: each[0].arrived_at)
    rows = [
        (job.arrived_at, 1000 * (job.first_at - job.arrived_at + call_s), 1000 * (now - job.arrived_at + call_s), job)
        for job, now in ended
    ]
    columns = Columns(
        start_s=tuple(row[0] for row in rows),
        ttft_ms=tuple(row[1] for row in rows),
        tpot_ms=tuple(None for row in rows),
        e2e_ms=tuple(row[2] for row in rows),
        scheduled_e2e_ms=tuple(row[2] for row in rows),
        input_tokens=tuple(row[3].prompt for row in rows),
        output_tokens=tuple(row[3].answer for row in rows),
        status=tuple("" for row in rows),
    )
    return Measured(
        workload=load, target=Target(url="http://e", model="m"), started_at=0.0, duration_s=found.simulated_s,
        steady_s=(0.0, found.simulated_s), sent=found.sent, completed=found.completed, rejected={}, failed={},
        requests_per_s=found.requests_per_s, output_tokens_per_s=found.output_tokens_per_s, input_tokens_per_s=0.0,
        ttft=_latency([row[1] for row in rows]), tpot=None, itl=None, e2e=_latency([row[2] for row in rows]),
        scheduled_e2e=None, client=Client(processes=1, lag_p99_ms=0.0, lag_max_ms=0.0, cpu_share=0.1, cpu_s=1.0),
        per_request=columns,
    )  # fmt: skip


def _latency(values_ms: list[float]) -> Latency:
    held = Histogram().add_ms(values_ms)
    p50, p90, p95, p99 = (held.quantile_ms(share) for share in (0.5, 0.9, 0.95, 0.99))
    return Latency(
        count=held.total, p50_ms=p50, p90_ms=p90, p95_ms=p95, p99_ms=p99, mean_ms=held.mean_ms, max_ms=held.max_ms
    )
