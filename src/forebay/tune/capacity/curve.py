"""What one engine carries, read from runs that were measured at several rates."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.capacity.errors import CurveHasHoles, NoCountMeets
from forebay.tune.load.workload import Slo
from forebay.tune.report.measured import Columns, Measured

_WIDEST_RATIO = 2.0
_FEWEST = 100


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One rate, and the share of its calls that kept the objective."""

    rate_rps: float
    attained_ratio: float
    calls: int


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What one engine carries. `at_least`: the objective was never missed, so it may be more."""

    rate_rps: float
    points: tuple[Point, ...]
    at_least: bool = False


def point(run: Measured, slo: Slo, engines: int = 1) -> Point:
    """A run as a point of the curve, a call that was refused or failed counted as a bad one."""
    if run.client.bottleneck:
        what = _("the client was the bottleneck of this run: {why}").format(why=run.client.bottleneck)
        raise UsageError(what, fix=_("Measure again with more processes"), code="client_bottleneck")
    from_s, to_s = run.steady_s
    columns = run.per_request
    if columns is None:
        raise UsageError(
            _("the result holds no single calls, only what they came to"),
            fix=_("Measure with `forebay bench run`, which keeps them"), code="no_columns",
        )  # fmt: skip
    steady = [n for n, at in enumerate(columns.start_s) if from_s <= at < to_s]
    if not steady or to_s <= from_s:
        raise UsageError(_("no call fell into the steady part of the run"), fix=_("Measure for longer"))
    good = sum(not columns.status[n] and _keeps(columns, n, slo) for n in steady)
    return Point(rate_rps=len(steady) / (to_s - from_s) / engines, attained_ratio=good / len(steady), calls=len(steady))


def carried(points: Sequence[Point], attain_ratio: float) -> Carried:
    """The highest rate at which enough calls keep the objective, between the last that do and the first that do not.

    NoCountMeets where none does; CurveHasHoles where the two are too far apart, or a higher rate does better.
    """
    if not points:
        raise UsageError(_("a curve needs one measured point at least"), fix=_("Give --run FILE"))
    ordered = sorted(points, key=lambda each: each.rate_rps)
    if ordered[0].rate_rps <= 0:
        raise UsageError(_("a measured rate of 0 says nothing"), fix=_("Leave that run out"))
    few = next((each for each in ordered if each.calls < _FEWEST), None)
    if few is not None:
        what = _("{n} calls at {rate:.3g}/s are too few for a share of {share:.0%}")
        raise CurveHasHoles(
            what.format(n=few.calls, rate=few.rate_rps, share=attain_ratio), fix=_("Measure for longer"),
            code="curve_has_holes",
        )  # fmt: skip
    keeping = [each.attained_ratio >= attain_ratio for each in ordered]
    if not keeping[0]:
        what = _(
            "at {rate:.3g}/s, the lowest rate measured, {share:.1%} of the calls keep the objective, not {want:.1%}"
        )
        raise NoCountMeets(
            what.format(rate=ordered[0].rate_rps, share=ordered[0].attained_ratio, want=attain_ratio),
            fix=_("Measure lower rates; if one call alone misses it, change the engine or the objective"),
            code="no_count_meets",
        )  # fmt: skip
    if all(keeping):
        return Carried(rate_rps=ordered[-1].rate_rps, points=tuple(ordered), at_least=True)
    first_bad = keeping.index(False)
    last, bad = ordered[first_bad - 1], ordered[first_bad]
    if any(keeping[first_bad:]):
        better = ordered[first_bad + keeping[first_bad:].index(True)]
        what = _("{high:.3g}/s keeps the objective and {low:.3g}/s does not: the curve contradicts itself")
        raise CurveHasHoles(
            what.format(high=better.rate_rps, low=bad.rate_rps), fix=_("Measure both again, for longer"),
            code="curve_has_holes",
        )  # fmt: skip
    if bad.rate_rps > _WIDEST_RATIO * last.rate_rps:
        what = _(
            "nothing was measured between {low:.3g}/s, which keeps the objective, and {high:.3g}/s, which does not"
        )
        raise CurveHasHoles(
            what.format(low=last.rate_rps, high=bad.rate_rps),
            fix=_("Measure at {rate:.3g}/s").format(rate=(last.rate_rps + bad.rate_rps) / 2), code="curve_has_holes",
        )  # fmt: skip
    part = (last.attained_ratio - attain_ratio) / (last.attained_ratio - bad.attained_ratio)
    return Carried(rate_rps=last.rate_rps + part * (bad.rate_rps - last.rate_rps), points=tuple(ordered))


def _keeps(columns: Columns, n: int, slo: Slo) -> bool:
    return all(
        bound is None or (value is not None and value <= bound)
        for bound, value in (
            (slo.ttft_ms, columns.ttft_ms[n]),
            (slo.tpot_ms, columns.tpot_ms[n] if columns.output_tokens[n] > 1 else 0.0),
            (slo.e2e_ms, columns.scheduled_e2e_ms[n]),
        )
    )
