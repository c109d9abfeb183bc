"""How many engines carry a demand, with what is kept in reserve, what they draw, and what scaling by the hour saves."""

from __future__ import annotations

import math
from fractions import Fraction

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.capacity.demand import DAY_S, Demand

_IDLE_POWER_RATIO = 0.25


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept beyond the need: a share of each engine, engines on standby, and how many may be lost at the peak.

    A standby engine runs and takes calls only when the others are full or gone, so it is among those that may be lost.
    """

    headroom_ratio: float = 0.0
    standby: int = 1
    survive: int = 1


class Unit(msgspec.Struct, frozen=True, kw_only=True):
    """One engine as a plan counts it. `power_w`: of all its GPUs at full load."""

    capacity_rps: float
    gpus: int = 1
    power_w: float = 0.0
    kind: str = ""


class Hour(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the day: calls a second, and engines that it needs with headroom and what may be lost."""

    from_h: float
    rate_rps: float
    engines: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The engines for a demand. `serving` carry the peak with headroom; `lost_at_peak` may be missing then."""

    unit: Unit
    demand_per_day: float
    peak_rps: float
    needed: int
    serving: int
    standby: int
    engines: int
    gpus: int
    load_at_peak: float
    load_with_one_lost: float
    lost_at_peak: int
    hours: tuple[Hour, ...]
    engine_hours: float
    engine_hours_scaled: float
    energy_kwh: float
    energy_kwh_scaled: float


def plan(demand: Demand, unit: Unit, reserve: Reserve | None = None) -> Plan:
    """The fewest engines; UsageError where a figure makes no sense."""
    reserve = reserve or Reserve()
    _check(unit, reserve)
    needed = _count(demand.peak_rps, unit.capacity_rps)
    serving = _count(demand.peak_rps, unit.capacity_rps, reserve.headroom_ratio)
    standby = reserve.standby
    serving += max(0, reserve.survive - (serving + standby - needed))
    engines = serving + standby
    hours = _hours(demand, unit, reserve, engines)
    part_h = DAY_S / len(hours) / 3600
    return Plan(
        unit=unit,
        demand_per_day=demand.per_day,
        peak_rps=demand.peak_rps,
        needed=needed,
        serving=serving,
        standby=standby,
        engines=engines,
        gpus=engines * unit.gpus,
        load_at_peak=demand.peak_rps / (serving * unit.capacity_rps),
        load_with_one_lost=demand.peak_rps / (max(1, engines - 1) * unit.capacity_rps),
        lost_at_peak=engines - needed,
        hours=hours,
        engine_hours=24.0 * engines,
        engine_hours_scaled=sum(each.engines for each in hours) * part_h,
        energy_kwh=sum(_energy_kwh(unit, engines, each.rate_rps, part_h) for each in hours),
        energy_kwh_scaled=sum(_energy_kwh(unit, each.engines, each.rate_rps, part_h) for each in hours),
    )


def _count(rate_rps: float, capacity_rps: float, headroom: float = 0.0) -> int:
    # As written, not as stored: 0.1 of headroom on 55 is 49.5 and no hair less.
    each = Fraction(str(capacity_rps)) * (1 - Fraction(str(headroom)))
    return max(1, math.ceil(Fraction(str(rate_rps)) / each))


def _hours(demand: Demand, unit: Unit, reserve: Reserve, most: int) -> tuple[Hour, ...]:
    parts = len(demand.rates_rps)
    top = max(demand.rates_rps)
    found = []
    for number, rate in enumerate(demand.rates_rps):
        # Within each part there are moments above its mean, as the peak is above the mean of the highest part.
        moment = rate * demand.peak_rps / top if top else rate
        engines = _count(moment, unit.capacity_rps, reserve.headroom_ratio) + reserve.survive if moment else 1
        found.append(Hour(from_h=24 * number / parts, rate_rps=rate, engines=min(most, engines)))
    return tuple(found)


def _energy_kwh(unit: Unit, engines: int, rate_rps: float, hours: float) -> float:
    load = min(1.0, rate_rps / (engines * unit.capacity_rps))
    return engines * unit.power_w * (_IDLE_POWER_RATIO + (1 - _IDLE_POWER_RATIO) * load) * hours / 1000


def _check(unit: Unit, reserve: Reserve) -> None:
    for wrong, what in (
        (not (math.isfinite(unit.capacity_rps) and unit.capacity_rps > 0), _("an engine that carries nothing")),
        (
            unit.gpus < 0 or not math.isfinite(unit.power_w) or unit.power_w < 0,
            _("a number of GPUs or a power below 0"),
        ),
        (not 0 <= reserve.headroom_ratio < 1, _("a headroom that is no share from 0 to below 1")),
        (reserve.standby < 0 or reserve.survive < 0, _("a reserve below 0")),
    ):
        if wrong:
            raise UsageError(_("no plan is made from {what}").format(what=what), fix=_("State a number above 0"))
