"""Turns what the generator's processes saw into a measurement."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean, median

import msgspec

from forebay.messages import _
from forebay.tune.load.errors import NothingMeasured
from forebay.tune.load.frames import Within
from forebay.tune.load.workload import Workload
from forebay.tune.report.histogram import Histogram
from forebay.tune.report.intervals import batch_means, bootstrap, quantile
from forebay.tune.report.measured import Interval, Latency, Timeline, finite
from forebay.tune.report.rows import Row
from forebay.tune.report.steady import warm_until

_SHARES = (0.5, 0.95, 0.99, -1.0)
_SPANS = 20
_SLICES = 100


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """What was done per second of the steady part."""

    requests_per_s: float
    ci95_requests_per_s: Interval | None
    input_tokens_per_s: float


def window(workload: Workload, found: Sequence[Row]) -> tuple[float, float]:
    """The steady part: behind the warm-up, until no more requests begin. Raises NothingMeasured."""
    usable = [row for row in found if row.intended_s >= workload.warm_up_s]
    good = [row for row in usable if row.good]
    if not good:
        if found and not usable and any(row.good for row in found):
            why = _("no request began after the warm-up of {warm_up:g} s: all were still being answered")
            fix = _("Measure for longer, or lower the load")
            failed = Counter(row.reason for row in found if not row.good)
            raise NothingMeasured(why.format(warm_up=workload.warm_up_s), fix=fix, reasons=failed)
        fix = _("Look at the log of the service, or lower the load")
        reasons = Counter(row.reason for row in usable or found)
        raise NothingMeasured(_nothing(reasons), fix=fix, sent=len(usable), reasons=reasons)
    cut = warm_until([row.scheduled_e2e_ms for row in good])
    begin_s = max(workload.warm_up_s, good[cut].intended_s) if cut else workload.warm_up_s
    last_s = max(row.intended_s for row in usable)
    end_s = workload.longest_s if math.isfinite(workload.longest_s) and workload.requests is None else last_s
    ended_s = max(row.ended_s for row in usable)
    # A handful of requests that begin at once leaves no time between the first and the last beginning.
    short = end_s - begin_s < (ended_s - begin_s) / 2
    held = workload.arrivals.hold and workload.requests is None
    if held and any(row.good and begin_s <= row.ended_s <= end_s for row in found):
        short = False  # the load behind it is whole, but nobody counts it
    return begin_s, max(ended_s, end_s) if short else max(end_s, math.nextafter(last_s, math.inf))


def latency(values: Sequence[float]) -> Latency | None:
    """The figures of a series in the order of time; None for an empty one."""
    ordered = sorted(values)
    if not ordered:
        return None
    ci50, ci95, ci99, ci_mean = bootstrap(values, _SHARES)
    return Latency(
        count=len(ordered),
        p50_ms=quantile(ordered, 0.5),
        p90_ms=quantile(ordered, 0.9),
        p95_ms=quantile(ordered, 0.95),
        p99_ms=quantile(ordered, 0.99),
        mean_ms=fmean(ordered),
        max_ms=ordered[-1],
        ci95_p50_ms=ci50,
        ci95_p95_ms=ci95,
        ci95_p99_ms=ci99,
        ci95_mean_ms=ci_mean,
        histogram=Histogram().add_ms(ordered),
    )


def pooled(shares: Sequence[Within]) -> Latency | None:
    """The figures of the gaps of all processes, read from their histograms."""
    histogram = Histogram()
    for share in shares:
        histogram.merge(Histogram(counts=share.gaps))
    if not histogram.counts:
        return None
    p50, p90, p95, p99 = (histogram.quantile_ms(share) for share in (0.5, 0.9, 0.95, 0.99))
    return Latency(
        count=histogram.total,
        p50_ms=p50,
        p90_ms=p90,
        p95_ms=p95,
        p99_ms=p99,
        mean_ms=histogram.mean_ms,
        max_ms=histogram.max_ms,
        histogram=histogram,
    )


def rates(found: Sequence[Row], steady_s: tuple[float, float]) -> Rates:
    """Good answers that ended in the steady part, whenever they began: edges cost nothing then."""
    begin_s, end_s = steady_s
    ended = [row for row in found if row.good and begin_s <= row.ended_s <= end_s]
    length_s = end_s - begin_s
    counts = [0] * _SPANS
    for row in ended:
        counts[min(_SPANS - 1, int((row.ended_s - begin_s) / length_s * _SPANS))] += 1
    return Rates(
        requests_per_s=len(ended) / length_s,
        ci95_requests_per_s=batch_means([count * _SPANS / length_s for count in counts]),
        input_tokens_per_s=sum(row.input_tokens or row.planned_input for row in ended) / length_s,
    )


def tokens_interval(shares: Sequence[Within], slice_s: float, steady_s: tuple[float, float]) -> Interval | None:
    """How sure the rate of tokens is, from the slices that lie in the steady part."""
    begin, end = math.ceil(steady_s[0] / slice_s), math.floor(steady_s[1] / slice_s)
    # Behind the last token there is silence, which counts: an engine that died was no faster for it.
    tokens = _summed(shares)
    by_slice = [(tokens[at] if at < len(tokens) else 0.0) / slice_s for at in range(begin, end)]
    size = max(1, len(by_slice) // _SPANS)
    return batch_means([fmean(by_slice[at : at + size]) for at in range(0, len(by_slice) - size + 1, size)])


def timeline(found: Sequence[Row], shares: Sequence[Within], slice_s: float) -> Timeline:
    """The run in slices."""
    slices = int(max(row.ended_s for row in found) / slice_s) + 1

    def place(at_s: float) -> int:
        return max(0, min(slices - 1, int(at_s / slice_s)))

    sent, done = Counter(place(row.start_s) for row in found), Counter(place(row.ended_s) for row in found if row.good)
    failed = Counter(place(row.ended_s) for row in found if not row.good)
    open_now, in_flight = 0, []
    for each in range(slices):
        open_now += sent[each] - done[each] - failed[each]
        in_flight.append(open_now)
    tokens = _summed(shares)

    def medians(value: Callable[[Row], float]) -> tuple[float | None, ...]:
        by_slice: dict[int, list[float]] = {}
        for row in found:
            if row.good and math.isfinite(value(row)):
                by_slice.setdefault(place(row.start_s), []).append(value(row))
        return tuple(finite(median(by_slice[each])) if each in by_slice else None for each in range(slices))

    return Timeline(
        slice_s=slice_s,
        sent=tuple(sent[each] for each in range(slices)),
        completed=tuple(done[each] for each in range(slices)),
        failed=tuple(failed[each] for each in range(slices)),
        in_flight=tuple(in_flight),
        output_tokens=tuple(round(tokens[each]) if each < len(tokens) else 0 for each in range(slices)),
        ttft_p50_ms=medians(lambda row: row.ttft_ms),
        e2e_p50_ms=medians(lambda row: row.scheduled_e2e_ms),
    )


def slice_of(length_s: float) -> float:
    """About a hundred slices, of a length that can be read."""
    return next(
        (each for each in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0) if length_s / each <= _SLICES), 300.0
    )


def _summed(shares: Sequence[Within]) -> list[float]:
    length = max((len(share.tokens_by_slice) for share in shares), default=0)
    total = [0.0] * length
    for share in shares:
        for place, value in enumerate(share.tokens_by_slice):
            total[place] += value
    return total


def _nothing(reasons: Counter[str]) -> str:
    if not reasons:
        return _("no request was sent in the time given")
    told = ", ".join(f"{reason}: {count}" for reason, count in reasons.most_common(4))
    text = _("not one of {count} requests was answered well ({reasons})")
    return text.format(count=reasons.total(), reasons=told)
