"""Measurements made up from a seed, for what reads them."""

from functools import cache
from random import Random

from forebay.tune.load.frames import Within
from forebay.tune.load.target import Target
from forebay.tune.load.workload import Arrivals, Slo, Workload
from forebay.tune.report.assemble import latency, rates, slice_of, timeline, tokens_interval
from forebay.tune.report.measured import Client, Doubt, Engine, Gpu, Measured
from forebay.tune.report.rows import Row, columns

TOKENS = 20


@cache
def run(seed=1, *, factor=1.0, failing=0.0, rate_rps=20.0, length_s=20.0):
    """A run whose first tokens take about 100 ms and whole answers 300, each times `factor`."""
    chance = Random(seed)
    found = []
    for number in range(int(length_s * rate_rps)):
        at_s = number / rate_rps
        first_s = at_s + factor * chance.lognormvariate(-2.3, 0.3)
        ended_s = first_s + factor * 0.2 * chance.uniform(0.9, 1.1)
        reason = "500" if chance.random() < failing else ""
        counts = {"planned_input": 64, "planned_output": TOKENS, "input_tokens": 64, "told": TOKENS}
        times = {"intended_s": at_s, "sent_s": at_s, "first_s": first_s, "last_s": ended_s, "ended_s": ended_s}
        found.append(
            Row(**times, **counts, tokens=TOKENS, disputed=False, events=TOKENS, reason=reason, rejected=False)
        )
    good = [row for row in found if row.good]
    steady_s = (0.0, length_s)
    done = rates(found, steady_s)
    slices = [rate_rps * TOKENS * slice_of(length_s)] * int(length_s / slice_of(length_s))
    within = [Within({}, 0.0, slices)]
    slo = Slo(ttft_ms=200.0)
    return Measured(
        workload=Workload(arrivals=Arrivals(shape="constant", rate_rps=rate_rps), duration_s=length_s),
        target=Target(url="https://example.test:8443", model="<m&m>"),
        started_at=1_790_000_000.0,
        duration_s=length_s,
        steady_s=steady_s,
        sent=len(found),
        completed=len(good),
        rejected={},
        failed={"500": len(found) - len(good)} if len(good) < len(found) else {},
        requests_per_s=done.requests_per_s,
        output_tokens_per_s=len(good) * TOKENS / length_s,
        input_tokens_per_s=done.input_tokens_per_s,
        ttft=latency([row.ttft_ms for row in good]),
        tpot=latency([row.tpot_ms for row in good]),
        itl=None,
        e2e=latency([row.e2e_ms for row in good]),
        scheduled_e2e=latency([row.scheduled_e2e_ms for row in good]),
        client=Client(processes=1, lag_p99_ms=1.0, lag_max_ms=2.0, cpu_share=0.1, cpu_s=1.0),
        slo=slo,
        goodput_rps=sum(row.keeps(slo) for row in found) / length_s,
        attained_ratio=sum(row.keeps(slo) for row in found) / len(found),
        ci95_requests_per_s=done.ci95_requests_per_s,
        ci95_output_tokens_per_s=tokens_interval(within, slice_of(length_s), steady_s),
        doubts=(Doubt(code="x", text="a <doubt>"),) if failing else (),
        engine=Engine(counters={"vllm:generation_tokens_total": 8000.0}, gauges={"vllm:x": 1.0}, peaks={"vllm:x": 2.0}),
        gpu=(
            Gpu(
                index=0,
                name="card",
                at_s=(0.0, 10.0),
                utilisation_percent=(50.0, 90.0),
                memory_bytes=(2**30, 2**31),
                power_w=(100.0, 300.0),
                sm_clock_mhz=(1200, 1900),
                memory_clock_mhz=(2600, 2600),
            ),
        ),
        timeline=timeline(found, within, slice_of(length_s)),
        per_request=columns(found),
    )
