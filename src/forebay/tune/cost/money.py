"""Amounts of money: exact decimals, of one currency at a time, converted at a rate that has a day and a source."""

from __future__ import annotations

import datetime
from decimal import ROUND_HALF_UP, Decimal

import msgspec

from forebay.core.errors import ConfigError
from forebay.messages import _

USD = "USD"
_SIGNS = {"USD": "$", "CNY": "¥", "EUR": "€"}


class Rate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Units of a currency for one US dollar."""

    per_usd: Decimal
    date: datetime.date
    source: str


def convert(amount: Decimal, currency: str, into: str, rates: dict[str, Rate]) -> Decimal:
    """The amount in another currency; ConfigError where its rate is missing."""
    if currency == into:
        return amount
    return amount / _per_usd(currency, rates) * _per_usd(into, rates)


def show(amount: Decimal, currency: str, places: int = 2) -> str:
    """For people: grouped, rounded half up as on a bill."""
    rounded = amount.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    sign = _SIGNS.get(currency)
    return f"{sign}{rounded:,}" if sign else f"{rounded:,} {currency}"


def _per_usd(currency: str, rates: dict[str, Rate]) -> Decimal:
    if currency == USD:
        return Decimal(1)
    if currency not in rates:
        what = _("there is no exchange rate for {currency}").format(currency=currency)
        raise ConfigError(
            what, where=f"rates.{currency}", fix=_("State its units for one US dollar, with day and source")
        )
    return rates[currency].per_usd
