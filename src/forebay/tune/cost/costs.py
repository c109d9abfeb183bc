"""What a service costs, as its file tells it: machines, power, and everything else by the month."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec

from forebay.core.errors import ConfigError, Finding
from forebay.messages import _
from forebay.tune.cost.money import Rate, convert
from forebay.tune.figures import read_figures

EXAMPLE = Path(__file__).with_name("example.yaml")
MONTH_HOURS = Decimal(730)
Kind = Literal["bandwidth", "storage", "hosting", "people", "software", "other"]


class _Dated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    date: datetime.date
    source: str
    currency: str = ""


class Owned(_Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Machines that were bought. `left_ratio`: what they are worth after `months`."""

    name: str
    price: Decimal
    months: int
    left_ratio: Decimal = Decimal(0)
    count: Decimal = Decimal(1)
    gpus: int = 0
    hardware: str = ""


class Rented(_Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Machines by the hour; `hours` a month that each is paid for."""

    name: str
    per_hour: Decimal
    count: Decimal = Decimal(1)
    hours: Decimal = MONTH_HOURS
    gpus: int = 0
    hardware: str = ""


class Power(_Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Mean draw; `pue`: power of the whole building for one of its machines."""

    kw: Decimal
    per_kwh: Decimal
    pue: Decimal = Decimal(1)


class Monthly(_Dated, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something paid by the month: a quantity at a price for each."""

    kind: Kind
    name: str
    each: Decimal
    quantity: Decimal = Decimal(1)


class Costs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file."""

    currency: str
    stale_after_days: int = 90
    rates: dict[str, Rate] = {}
    owned: tuple[Owned, ...] = ()
    rented: tuple[Rented, ...] = ()
    power: Power | None = None
    monthly: tuple[Monthly, ...] = ()


def read_costs(path: Path) -> Costs:
    """The file, checked; ConfigError holds everything that is wrong with it."""
    found = read_figures(path, Costs)
    wrong = tuple(_wrong(found, str(path)))
    if wrong:
        raise ConfigError(_("{file} cannot be reckoned with").format(file=path.name), findings=wrong)
    return found


def stale(costs: Costs, today: datetime.date, where: str = "") -> tuple[Finding, ...]:
    """A warning for every figure that is older than the file says it may be, or from a day that is to come."""
    found = []
    for place, dated in _dated(costs):
        age_days = (today - dated.date).days
        if age_days > costs.stale_after_days:
            why = _("{place} is {days} days old ({date}, {source})")
        elif age_days < 0:
            why = _("{place} is dated {days} days ahead ({date}, {source})")
        else:
            continue
        text = why.format(place=place, days=abs(age_days), date=dated.date, source=dated.source)
        found.append(Finding(rule="price_stale", severity="warning", where=where, why=text, fix=_("Look it up again")))
    return tuple(found)


def gpu_hour(costs: Costs, hardware: str, currency: str) -> Decimal | None:
    """What one GPU of a kind costs an hour, power not counted; None where the file has none. The cheapest counts."""
    prices = [
        (owned.price * (1 - owned.left_ratio) / owned.months / MONTH_HOURS / owned.gpus, owned.currency)
        for owned in costs.owned
        if owned.hardware == hardware and owned.gpus
    ]
    prices += [
        (rented.per_hour / rented.gpus, rented.currency)
        for rented in costs.rented
        if rented.hardware == hardware and rented.gpus
    ]
    found = (convert(each, of or costs.currency, currency, costs.rates) for each, of in prices)
    return min(found, default=None)


def _wrong(costs: Costs, file: str) -> Iterator[Finding]:
    for place, currency in _currencies(costs):
        if not re.fullmatch(r"[A-Z]{3}", currency):
            why = _("{currency!r} is no currency").format(currency=currency)
            yield _finding(file, place, why, _("Write its three letters, such as CNY or USD"))
        elif currency != "USD" and currency not in costs.rates:
            why = _("there is no exchange rate for {currency}").format(currency=currency)
            yield _finding(file, place, why, _("Add it under `rates`: units for one US dollar, with day and source"))
    for place, name, value, least in _amounts(costs):
        if not value.is_finite() or value < least:
            why = _("{name} is {value}").format(name=name, value=value)
            fix = (
                _("It is a number, 0 or more")
                if not least
                else _("It is a number, {least} or more").format(least=least)
            )
            yield _finding(file, place, why, fix)
    for name, rate in costs.rates.items():
        if not rate.per_usd.is_finite() or rate.per_usd <= 0:
            yield _finding(file, f"rates.{name}", _("a rate of {n}").format(n=rate.per_usd), _("It is above 0"))
    if not (costs.owned or costs.rented):
        yield _finding(file, "owned", _("no machine costs anything"), _("Name those that you own or rent"))


def _amounts(costs: Costs) -> Iterator[tuple[str, str, Decimal, Decimal]]:
    zero, one = Decimal(0), Decimal(1)
    for n, owned in enumerate(costs.owned):
        at = f"owned[{n}]"
        yield from ((at, "price", owned.price, zero), (at, "count", owned.count, zero))
        yield from ((at, "months", Decimal(owned.months), one), (at, "left_ratio", owned.left_ratio, zero))
        yield at, "1 - left_ratio", 1 - owned.left_ratio, zero
    for n, rented in enumerate(costs.rented):
        at = f"rented[{n}]"
        yield from ((at, "per_hour", rented.per_hour, zero), (at, "count", rented.count, zero))
        yield at, "hours", rented.hours, zero
    if costs.power is not None:
        yield from (("power", "kw", costs.power.kw, zero), ("power", "per_kwh", costs.power.per_kwh, zero))
        yield "power", "pue", costs.power.pue, one
    for n, monthly in enumerate(costs.monthly):
        at = f"monthly[{n}]"
        yield from ((at, "each", monthly.each, zero), (at, "quantity", monthly.quantity, zero))


def _dated(costs: Costs) -> Iterator[tuple[str, _Dated | Rate]]:
    yield from ((f"rates.{name}", rate) for name, rate in costs.rates.items())
    yield from ((each.name, each) for each in costs.owned)
    yield from ((each.name, each) for each in costs.rented)
    if costs.power is not None:
        yield "power", costs.power
    yield from ((each.name, each) for each in costs.monthly)


def _currencies(costs: Costs) -> Iterator[tuple[str, str]]:
    yield "currency", costs.currency
    for place, dated in _dated(costs):
        if isinstance(dated, _Dated) and dated.currency:
            yield place, dated.currency


def _finding(file: str, place: str, why: str, fix: str) -> Finding:
    return Finding(rule="costs", severity="error", where=f"{file}: {place}", why=why, fix=fix)
