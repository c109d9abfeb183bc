"""Which plots tell what about runs: over time, against the load, and how values are spread."""

from __future__ import annotations

import math
from collections.abc import Sequence

from forebay.messages import _
from forebay.tune.report.histogram import Histogram, middle_us
from forebay.tune.report.measured import Latency, Measured
from forebay.tune.report.plots import Axes, Line, plot

_BARS_A_DECADE = 20


def over_time(run: Measured) -> list[str]:
    """What happened when, in slices."""
    line = run.timeline
    if line is None:
        return []

    def series(name: str, values: Sequence[float | None], each: float = 1.0, *, filled: bool = False) -> Line:
        points = ((place * line.slice_s, value / each) for place, value in enumerate(values) if value is not None)
        return Line(name=name, points=tuple(points), filled=filled)

    seconds = _("seconds from the start")
    flow = [
        series(_("sent"), line.sent, line.slice_s),
        series(_("answered"), line.completed, line.slice_s),
        *([series(_("failed"), line.failed, line.slice_s)] if any(line.failed) else []),
    ]
    medians = [series("E2E", line.e2e_p50_ms), series("TTFT", line.ttft_p50_ms)]
    return [
        plot(Axes(title=_("Requests a second"), x=seconds, y=_("requests/s")), flow),
        plot(Axes(title=_("Requests in flight"), x=seconds, y=""), [series("", line.in_flight, filled=True)]),
        plot(
            Axes(title=_("Tokens written"), x=seconds, y=_("tokens/s")),
            [series("", line.output_tokens, line.slice_s, filled=True)],
        ),
        plot(Axes(title=_("Medians, by when requests were due"), x=seconds, y=_("ms")), medians),
    ]


def hardware(run: Measured) -> list[str]:
    """What the GPUs did meanwhile."""
    if not run.gpu:
        return []
    seconds = _("seconds from the start")

    def lines(values: str, each: float = 1.0) -> list[Line]:
        return [
            Line(
                name=f"GPU {card.index}",
                points=tuple((at, value / each) for at, value in zip(card.at_s, getattr(card, values), strict=True)),
            )
            for card in run.gpu or ()
        ]

    return [
        plot(Axes(title=_("GPU utilisation"), x=seconds, y="%"), lines("utilisation_percent")),
        plot(Axes(title=_("GPU power"), x=seconds, y="W"), lines("power_w")),
        plot(Axes(title=_("GPU memory"), x=seconds, y="GiB"), lines("memory_bytes", 2.0**30)),
        plot(Axes(title=_("GPU clock"), x=seconds, y="MHz"), lines("sm_clock_mhz")),
    ]


def against_load(runs: Sequence[Measured]) -> list[str]:
    """One point a run, in the order of what was asked for; nothing where all were asked for the same."""
    closed = all(run.workload.arrivals.shape == "closed" for run in runs)

    def load(run: Measured) -> float:
        return float(run.workload.arrivals.concurrency if closed else run.workload.arrivals.rate_rps)

    ordered = sorted(runs, key=load)
    if load(ordered[0]) == load(ordered[-1]):
        return []
    across = _("requests at a time") if closed else _("requests/s asked for")

    def latency_plot(name: str, pick: str) -> str:
        found = [(load(run), getattr(run, pick)) for run in ordered]
        kept: list[tuple[float, Latency]] = [(x, each) for x, each in found if each is not None]
        middle = Line(
            name="P50",
            points=tuple((x, each.p50_ms) for x, each in kept),
            bars=tuple(each.ci95_p50_ms for _x, each in kept),
            marked=True,
        )
        tail = [(x, each) for x, each in kept if not math.isnan(each.p99_ms)]
        high = Line(
            name="P99",
            points=tuple((x, each.p99_ms) for x, each in tail),
            bars=tuple(each.ci95_p99_ms for _x, each in tail),
            marked=True,
        )
        return plot(Axes(title=name, x=across, y=_("ms"), log_y=True), [middle, high])

    tokens = Line(
        name="",
        points=tuple((load(run), run.output_tokens_per_s) for run in ordered),
        bars=tuple(run.ci95_output_tokens_per_s for run in ordered),
        marked=True,
    )
    done = Line(name=_("answered"), points=tuple((load(run), run.requests_per_s) for run in ordered), marked=True)
    good = [(load(run), run.goodput_rps) for run in ordered if run.goodput_rps is not None]
    kept_slo = Line(name=_("within the SLO"), points=tuple(good), marked=True)
    return [
        latency_plot(_("First token (TTFT)"), "ttft"),
        latency_plot(_("Each token (TPOT)"), "tpot"),
        latency_plot(_("Whole answer (E2E)"), "scheduled_e2e"),
        plot(Axes(title=_("Tokens written"), x=across, y=_("tokens/s")), [tokens]),
        plot(Axes(title=_("Requests answered"), x=across, y=_("requests/s")), [done, kept_slo]),
    ]


def distributions(runs: Sequence[Measured]) -> list[str]:
    """Histograms of each latency, the runs over one another; at most three, for more cannot be told apart."""
    shown = runs[:3]
    found = []
    for name, pick in (
        (_("First token (TTFT)"), "ttft"),
        (_("Each token (TPOT)"), "tpot"),
        (_("Between tokens (ITL)"), "itl"),
        (_("Whole answer (E2E)"), "scheduled_e2e"),
    ):
        lines = []
        for number, run in enumerate(shown, 1):
            each: Latency | None = getattr(run, pick)
            if each is not None and each.histogram.counts:
                label = _("run {number}").format(number=number) if len(shown) > 1 else ""
                lines.append(Line(name=label, points=_bars(each.histogram), filled=True))
        found.append(plot(Axes(title=name, x=_("ms, logarithmic"), y=_("share, %"), log_x=True), lines))
    return found


def _bars(histogram: Histogram) -> tuple[tuple[float, float], ...]:
    """Shares by bars of equal width on a logarithmic axis, as the corners of their outline."""
    total = histogram.total
    bars: dict[int, int] = {}
    for index, count in histogram.counts.items():
        place = math.floor(math.log10(max(middle_us(index), 1.0) / 1000) * _BARS_A_DECADE)
        bars[place] = bars.get(place, 0) + count
    corners: list[tuple[float, float]] = []
    for place in range(min(bars), max(bars) + 1):
        share = 100 * bars.get(place, 0) / total
        ends = (10 ** (place / _BARS_A_DECADE), 10 ** ((place + 1) / _BARS_A_DECADE))
        corners += [(ends[0], share), (ends[1], share)]
    return ((corners[0][0], 0.0), *corners, (corners[-1][0], 0.0))
