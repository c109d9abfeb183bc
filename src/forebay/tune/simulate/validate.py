"""How far the simulator is from a run that was measured: the same calls, figure beside figure."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.report.measured import Columns, Latency, Measured
from forebay.tune.simulate.job import Job
from forebay.tune.simulate.outcome import Outcome, Spread
from forebay.tune.simulate.play import Stage, Traffic
from forebay.tune.simulate.spec import Fleet
from forebay.tune.simulate.traffic import traffic


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """One figure; `error_ratio` is (simulated / measured) - 1."""

    figure: str
    measured: float
    simulated: float
    error_ratio: float


class Recorded:
    """The calls of a run again, when they came and as long as they were."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns

    def arrivals(self) -> Iterator[Job]:
        """Failed ones too, as far as their lengths are known: they took the engine's time."""
        rows = self._columns
        for at, prompt, answer in sorted(zip(rows.start_s, rows.input_tokens, rows.output_tokens, strict=True)):
            if prompt > 0:
                yield Job(at, prompt, max(1, answer))

    def after(self, job: Job, now: float) -> Job | None:
        """All calls are recorded."""
        return None


def compare(run: Measured, fleet: Fleet) -> tuple[tuple[Compared, ...], Outcome]:
    """Play what `run` asked for, and set what came of it beside what was measured."""
    stage = Stage(fleet, again(run), None, run.steady_s[0], math.inf)
    from_s, to_s = run.steady_s
    stage.run(from_s)
    before = stage.completed
    stage.run(to_s)
    rate = (stage.completed - before) / (to_s - from_s)
    stage.run()
    found = stage.outcome()
    pairs: list[tuple[str, float, float]] = [("requests_per_s", run.requests_per_s, rate)]
    for name, measured, simulated in (
        ("ttft", run.ttft, found.ttft), ("tpot", run.tpot, found.tpot), ("e2e", run.e2e, found.e2e),
    ):  # fmt: skip
        pairs += _latencies(name, measured, simulated)
    return tuple(
        Compared(figure=name, measured=one, simulated=other, error_ratio=other / one - 1)
        for name, one, other in pairs
        if one > 0
    ), found


def again(run: Measured) -> Traffic:
    """The calls of a run: those that were made, or of a closed loop those that would be."""
    if run.workload.arrivals.shape == "closed" or run.workload.turns > 1:
        return traffic(run.workload)
    if run.per_request is None:
        what = _("the result holds no single calls, only what they came to")
        raise UsageError(what, fix=_("Measure with `forebay bench run`, which keeps them"), code="no_columns")
    return Recorded(run.per_request)


def _latencies(name: str, measured: Latency | None, simulated: Spread | None) -> list[tuple[str, float, float]]:
    if measured is None or simulated is None:
        return []
    return [
        (f"{name}_p50_ms", measured.p50_ms, simulated.p50_ms),
        (f"{name}_p95_ms", measured.p95_ms, simulated.p95_ms),
    ]
