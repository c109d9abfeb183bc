"""The total cost of ownership: every part of it by the month, two of them compared, and when a change is paid back."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.cost.costs import MONTH_HOURS, Costs
from forebay.tune.cost.money import convert

PARTS = ("hardware", "power", "cooling", "bandwidth", "storage", "hosting", "people", "software", "other")
_YEAR_MONTHS = 12


class Ownership(msgspec.Struct, frozen=True, kw_only=True):
    """Money of one month, by part. `gpus`: all of them, owned and rented."""

    currency: str
    parts: dict[str, Decimal]
    gpus: Decimal

    @property
    def month(self) -> Decimal:
        """All parts together."""
        return sum(self.parts.values(), Decimal(0))

    @property
    def hour(self) -> Decimal:
        """Of a month of 730 hours."""
        return self.month / MONTH_HOURS


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """From one to another. `ratio`: -0.45 is 45 % less. `payback_months`: None where nothing is saved."""

    before: Ownership
    after: Ownership
    month_ratio: Decimal
    saved_a_month: Decimal
    saved_a_year: Decimal
    once: Decimal
    payback_months: Decimal | None
    call_ratio: Decimal | None = None
    good_call_ratio: Decimal | None = None


class Calls(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of a month, and the share of them that were good."""

    number: Decimal
    good_ratio: Decimal = Decimal(1)


def ownership(costs: Costs, currency: str = "") -> Ownership:
    """The month, in the file's currency or another that it has a rate for."""
    into = currency or costs.currency
    parts = dict.fromkeys(PARTS, Decimal(0))

    def add(part: str, amount: Decimal, of: str) -> None:
        parts[part] += convert(amount, of or costs.currency, into, costs.rates)

    gpus = Decimal(0)
    for owned in costs.owned:
        add("hardware", owned.count * owned.price * (1 - owned.left_ratio) / owned.months, owned.currency)
        gpus += owned.count * owned.gpus
    for rented in costs.rented:
        add("hardware", rented.count * rented.per_hour * rented.hours, rented.currency)
        gpus += rented.count * rented.gpus
    if costs.power is not None:
        power = costs.power.kw * costs.power.per_kwh * MONTH_HOURS
        add("power", power, costs.power.currency)
        add("cooling", power * (costs.power.pue - 1), costs.power.currency)
    for each in costs.monthly:
        add(each.kind, each.quantity * each.each, each.currency)
    return Ownership(currency=into, parts=parts, gpus=gpus)


def change(
    before: Ownership, after: Ownership, *, once: Decimal = Decimal(0), calls_before: Calls | None = None,
    calls_after: Calls | None = None,
) -> Change:  # fmt: skip
    """What a change saves; `once` is what it costs to make, in the same currency. UsageError where nothing compares."""
    if before.currency != after.currency:
        what = _("{one} and {other} do not compare").format(one=before.currency, other=after.currency)
        raise UsageError(what, fix=_("Name one --currency for both"))
    if before.month <= 0:
        raise UsageError(_("what was before costs nothing"), fix=_("State its costs"))
    if once < 0:
        raise UsageError(_("a change that costs {n} once").format(n=once), fix=_("State 0 or more"))
    saved = before.month - after.month
    single = good = None
    if calls_before is not None and calls_after is not None:
        for calls in (calls_before, calls_after):
            if calls.number <= 0 or not 0 < calls.good_ratio <= 1:
                raise UsageError(_("a month without a good call"), fix=_("State calls above 0 and a share up to 1"))
        # Products first: a quotient in between would be rounded.
        single = _ratio(after.month * calls_before.number, before.month * calls_after.number)
        good = _ratio(
            after.month * calls_before.number * calls_before.good_ratio,
            before.month * calls_after.number * calls_after.good_ratio,
        )
    return Change(
        before=before,
        after=after,
        month_ratio=after.month / before.month - 1,
        saved_a_month=saved,
        saved_a_year=saved * _YEAR_MONTHS,
        once=once,
        payback_months=once / saved if saved > 0 else None,
        call_ratio=single,
        good_call_ratio=good,
    )


def _ratio(after: Decimal, before: Decimal) -> Decimal:
    return after / before - 1
