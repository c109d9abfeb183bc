"""Says whether one measurement is better than another, or whether the difference is noise."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from statistics import NormalDist, stdev
from typing import Literal

import msgspec

from forebay.messages import _
from forebay.tune.report.intervals import resampled
from forebay.tune.report.measured import Columns, Interval, Latency, Measured

_Column = Callable[[Columns], Sequence[float | None]]
Verdict = Literal["better", "worse", "same", "unknown"]
_NORMAL = NormalDist()
_Z95 = _NORMAL.inv_cdf(0.975)
_T95_OF_20 = 2.093  # what the intervals of rates were made with
_ALPHA = 0.05


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One measure of both. `change_ratio`: after / before - 1, for a share of failures after - before."""

    name: str
    before: float
    after: float
    change_ratio: float | None
    ci95_change: Interval | None
    p: float | None
    verdict: Verdict


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All measures that both have. The whole is worse if any measure is, better if any is and none is worse.

    A verdict needs p < 0.05 / number of measures (Bonferroni), so that eight looks do not find what one would not.
    """

    measures: tuple[Difference, ...]
    verdict: Verdict
    notes: tuple[str, ...]


class _Raw(msgspec.Struct, frozen=True):
    """A measure before its verdict: the logarithm of the ratio and how sure it is, or a difference of shares."""

    name: str
    before: float
    after: float
    moved: float
    deviation: float | None
    less_is_better: bool
    is_share: bool = False


def compare(before: Measured, after: Measured) -> Comparison:
    """`after` against `before`, over their steady parts."""
    raw = [*_latencies(before, after), *_rates(before, after), *_failures(before, after)]
    sure = [each for each in raw if each.deviation is not None]
    measures = tuple(_judged(each, _ALPHA / max(1, len(sure))) for each in raw)
    verdicts = {each.verdict for each in measures}
    whole: Verdict = "unknown" if "unknown" in verdicts or not verdicts else "same"
    whole = "worse" if "worse" in verdicts else "better" if "better" in verdicts else whole
    return Comparison(measures=measures, verdict=whole, notes=tuple(_notes(before, after)))


def _judged(raw: _Raw, alpha: float) -> Difference:
    change = raw.moved if raw.is_share else math.expm1(raw.moved)
    if raw.deviation is None:
        return Difference(
            name=raw.name,
            before=raw.before,
            after=raw.after,
            change_ratio=change,
            ci95_change=None,
            p=None,
            verdict="unknown",
        )
    reach = _Z95 * raw.deviation
    ends = (raw.moved - reach, raw.moved + reach)
    interval = ends if raw.is_share else (math.expm1(ends[0]), math.expm1(ends[1]))
    p = 2 * (1 - _NORMAL.cdf(abs(raw.moved) / raw.deviation)) if raw.deviation > 0 else float(raw.moved == 0)
    verdict: Verdict = "same"
    if p < alpha:
        verdict = "better" if (raw.moved < 0) == raw.less_is_better else "worse"
    return Difference(
        name=raw.name,
        before=raw.before,
        after=raw.after,
        change_ratio=change,
        ci95_change=interval,
        p=p,
        verdict=verdict,
    )


def _latencies(before: Measured, after: Measured) -> Iterator[_Raw]:
    wanted: tuple[
        tuple[str, Callable[[Measured], Latency | None], Callable[[Columns], Sequence[float | None]]], ...
    ] = (
        ("TTFT", lambda run: run.ttft, lambda rows: rows.ttft_ms),
        ("TPOT", lambda run: run.tpot, lambda rows: rows.tpot_ms),
        ("E2E", lambda run: run.scheduled_e2e or run.e2e, lambda rows: rows.scheduled_e2e_ms),
    )
    for name, figures, column in wanted:
        first, second = figures(before), figures(after)
        if first is None or second is None:
            continue
        sides = [_drawn(run, column) for run in (before, after)]
        for place, (share, quantile) in enumerate((("P50", "p50_ms"), ("P95", "p95_ms"))):
            values = getattr(first, quantile), getattr(second, quantile)
            if min(values) > 0:
                deviation = _deviation([None if side is None else side[place] for side in sides])
                moved = math.log(values[1] / values[0])
                yield _Raw(f"{name} {share}, ms", *values, moved, deviation, less_is_better=True)


def _rates(before: Measured, after: Measured) -> Iterator[_Raw]:
    for name, value, interval in (
        ("requests/s", "requests_per_s", "ci95_requests_per_s"),
        ("output tokens/s", "output_tokens_per_s", "ci95_output_tokens_per_s"),
    ):
        values = getattr(before, value), getattr(after, value)
        if min(values) <= 0:
            continue
        widths = [
            None if sure is None else (sure[1] - sure[0]) / 2 / _T95_OF_20 / each
            for each, sure in zip(values, (getattr(before, interval), getattr(after, interval)), strict=True)
        ]
        known = [width for width in widths if width is not None]
        deviation = math.hypot(*known) if len(known) == 2 else None
        yield _Raw(name, *values, math.log(values[1] / values[0]), deviation, less_is_better=False)


def _failures(before: Measured, after: Measured) -> Iterator[_Raw]:
    """Failed and rejected requests, as two shares compared."""
    if not before.sent or not after.sent:
        return
    first, second = (1 - run.completed / run.sent for run in (before, after))
    together = (before.sent - before.completed + after.sent - after.completed) / (before.sent + after.sent)
    deviation = math.sqrt(together * (1 - together) * (1 / before.sent + 1 / after.sent))
    yield _Raw(_("failed, share"), first, second, second - first, deviation, less_is_better=True, is_share=True)


def _drawn(run: Measured, column: _Column) -> list[list[float]] | None:
    """Resampled quantiles of the steady part; None where single requests were not kept."""
    rows = run.per_request
    if rows is None:
        return None
    begin_s, end_s = run.steady_s
    pairs = zip(rows.start_s, column(rows), strict=True)
    values = [value for at_s, value in pairs if value is not None and begin_s <= at_s + 1e-9 < end_s]
    return resampled(values, (0.5, 0.95)) if len(values) >= 20 else None


def _deviation(sides: Sequence[list[float] | None]) -> float | None:
    """Of the logarithm of the ratio of two independent figures."""
    spread = []
    for drawn in sides:
        if drawn is None or min(drawn) <= 0:
            return None
        spread.append(stdev([math.log(value) for value in drawn]))
    return math.hypot(*spread)


def _notes(before: Measured, after: Measured) -> Iterator[str]:
    if before.workload != after.workload:
        yield _("the loads differ: this compares them as much as the services")
    if before.tool != after.tool:
        yield _("measured by {first} and {second}").format(first=before.tool, second=after.tool)
    for run, name in ((before, _("before")), (after, _("after"))):
        for doubt in run.doubts:
            yield f"{name}: {doubt.text}"
