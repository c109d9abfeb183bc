"""How many calls come, over a day."""

from __future__ import annotations

import math
from pathlib import Path

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.figures import read_figures
from forebay.tune.load.workload import Step

DAY_S = 86_400.0
_NIGHT_SHARE = 0.1


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Calls a second in equal parts of a day, from midnight. `peak_rps`: the most at any moment."""

    rates_rps: tuple[float, ...]
    peak_rps: float

    @property
    def per_day(self) -> float:
        """Calls of the whole day."""
        return sum(self.rates_rps) * DAY_S / len(self.rates_rps)

    def steps(self) -> tuple[Step, ...]:
        """The day as a load: every part at its rate, the highest at the peak."""
        length_s = DAY_S / len(self.rates_rps)
        return tuple(Step(rate_rps=max(rate, 1e-6), duration_s=length_s) for rate in self.rates_rps)


def day(per_day: float, peak_rps: float, peak_hour: float = 15.0, parts: int = 24) -> Demand:
    """A day with one peak, whose sum and peak are as stated: a raised cosine above a night of a tenth of the mean.

    The sharper the peak for the same sum, the higher the power to which the cosine is raised. UsageError where sum and
    peak contradict each other.
    """
    _positive(_("requests a day"), per_day)
    _positive(_("the peak"), peak_rps)
    mean = per_day / DAY_S
    if peak_rps < mean * (1 - 1e-9):
        what = _("{per_day:,.0f} requests a day are {mean:.1f} a second on average, more than a peak of {peak:g}")
        raise UsageError(what.format(per_day=per_day, mean=mean, peak=peak_rps), fix=_("Raise the peak"))
    hours = [24 * part / parts for part in range(parts)]
    shape = [max(0.0, (1 + math.cos(2 * math.pi * (hour - peak_hour) / 24)) / 2) for hour in hours]
    night = _NIGHT_SHARE * mean
    wanted = (mean - night) / (peak_rps - night) if peak_rps > night else 1.0
    low, high = 0.0, 2000.0
    for _round in range(80):
        power = (low + high) / 2
        low, high = (power, high) if sum(each**power for each in shape) / parts > wanted else (low, power)
    rates = [night + (peak_rps - night) * each**low for each in shape]
    # A peak of minutes lies between the parts: what the curve cannot say, the sum still does.
    scale = mean / (sum(rates) / parts)
    return Demand(rates_rps=tuple(min(peak_rps, rate * scale) for rate in rates), peak_rps=peak_rps)


class _Curve(msgspec.Struct, forbid_unknown_fields=True):
    rates_rps: list[float]
    peak_rps: float | None = None


def read_day(path: Path) -> Demand:
    """A day from a file, `rates_rps: [...]` from midnight and, if there is more at some moment, `peak_rps`."""
    found = read_figures(path, _Curve)
    if len(found.rates_rps) < 2:
        raise UsageError(_("a day needs two rates at least"), where=str(path), fix=_("Give one for each hour"))
    for rate in found.rates_rps:
        if not (math.isfinite(rate) and rate >= 0):
            raise UsageError(_("{rate} is no rate").format(rate=rate), where=str(path), fix=_("Rates are 0 or more"))
    peak = found.peak_rps if found.peak_rps is not None else max(found.rates_rps)
    _positive(_("the peak"), peak)
    if peak < max(found.rates_rps):
        raise UsageError(_("the peak is below one of the rates"), where=str(path), fix=_("Leave peak_rps out"))
    return Demand(rates_rps=tuple(found.rates_rps), peak_rps=peak)


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        what = _("{name} of {value:g} asks for nothing").format(name=name, value=value)
        raise UsageError(what, fix=_("State a number above 0"), code="no_demand")
