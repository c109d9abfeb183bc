"""Total cost: known answers to the last decimal, before and after, currencies, and files that make no sense."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.core.errors import ConfigError, UsageError
from forebay.tune.cost.costs import EXAMPLE, Costs, Monthly, Owned, Power, Rented, gpu_hour, read_costs, stale
from forebay.tune.cost.money import Rate, convert, show
from forebay.tune.cost.ownership import Calls, change, ownership

DAY = datetime.date(2026, 11, 22)
DATED: dict[str, Any] = {"date": DAY, "source": "test"}
D = Decimal
RATES = {"CNY": Rate(per_usd=D("7.10"), date=DAY, source="test")}


def fleet(gpus: int, fixed: str = "100000", currency: str = "USD", hours: str = "750") -> Costs:
    """GPUs at 3,000 a month, and what does not depend on them."""
    return Costs(
        currency=currency,
        rates=RATES,
        rented=(Rented(name="gpu", per_hour=D(4), hours=D(hours), count=D(gpus), gpus=1, hardware="a100", **DATED),),
        monthly=(Monthly(kind="people", name="team", each=D(fixed), **DATED),),
    )


def test_25_instances_that_become_10_are_45_percent_less() -> None:
    # +175 % an instance: 20 -> 55 calls a second, 100 -> 40 GPUs at TP 4; a quarter of the money is not GPUs.
    before, after = ownership(fleet(100)), ownership(fleet(40))
    assert (before.month, after.month) == (D(400_000), D(220_000))
    assert change(before, after).month_ratio == D("-0.45")


def test_engines_that_sleep_half_of_the_time_halve_the_cost() -> None:
    before, after = ownership(fleet(100, fixed="0")), ownership(fleet(100, fixed="0", hours="375"))
    assert change(before, after).month_ratio == D("-0.5")


def test_a_call_costs_48_percent_less_where_money_falls_and_calls_rise() -> None:
    before, after = ownership(fleet(100)), ownership(fleet(53, fixed="101000"))
    assert after.month == D(260_000)  # -35 %
    calls = Calls(number=D(300_000_000)), Calls(number=D(375_000_000))
    assert change(before, after, calls_before=calls[0], calls_after=calls[1]).call_ratio == D("-0.48")


def test_a_good_call_gains_from_the_share_that_is_good_as_well() -> None:
    both = Calls(number=D(1000), good_ratio=D("0.95")), Calls(number=D(1000), good_ratio=D("0.995"))
    found = change(ownership(fleet(100)), ownership(fleet(40)), calls_before=both[0], calls_after=both[1])
    assert found.call_ratio == D("-0.45")
    assert found.good_call_ratio is not None
    assert round(found.good_call_ratio, 4) == D("-0.4749")


def test_what_it_costs_once_is_paid_back_in_months() -> None:
    before, after = ownership(fleet(100)), ownership(fleet(40))
    assert change(before, after, once=D(90_000)).payback_months == D("0.5")
    assert change(after, before, once=D(90_000)).payback_months is None


def test_every_part_of_the_month() -> None:
    costs = Costs(
        currency="USD", rates=RATES,
        owned=(Owned(name="s", price=D(240_000), months=48, left_ratio=D("0.1"), gpus=8, hardware="h100", **DATED),),
        power=Power(kw=D(10), per_kwh=D("0.1"), pue=D("1.4"), **DATED),
        monthly=(
            Monthly(kind="bandwidth", name="line", quantity=D(200), each=D(3), **DATED),
            Monthly(kind="storage", name="disks", quantity=D(20), each=D(23), **DATED),
            Monthly(kind="hosting", name="rack", each=D(900), **DATED),
            Monthly(kind="people", name="half", quantity=D("0.5"), each=D(71_000), currency="CNY", **DATED),
        ),
    )  # fmt: skip
    found = ownership(costs)
    assert found.parts == {
        "hardware": D(4500), "power": D(730), "cooling": D(292), "bandwidth": D(600), "storage": D(460),
        "hosting": D(900), "people": D(5000), "software": D(0), "other": D(0),
    }  # fmt: skip
    assert found.month == D(12_482)
    assert found.gpus == 8
    in_yuan = ownership(costs, "CNY")
    assert in_yuan.month == D(12_482) * D("7.10")
    assert gpu_hour(costs, "h100", "USD") == D(4500) / 730 / 8
    assert gpu_hour(costs, "a100", "USD") is None


@settings(max_examples=60, deadline=None)
@given(amount=st.decimals(0, 10**9, places=2), rate=st.decimals("0.01", 500, places=4))
def test_money_comes_back_from_another_currency(amount: Decimal, rate: Decimal) -> None:
    rates = {"XYZ": Rate(per_usd=rate, date=DAY, source="test")}
    there = convert(amount, "USD", "XYZ", rates)
    assert abs(convert(there, "XYZ", "USD", rates) - amount) <= amount * D("1e-20") + D("1e-20")


def test_money_is_shown_as_on_a_bill() -> None:
    assert show(D("1234567.005"), "USD") == "$1,234,567.01"
    assert show(D("0.00012345"), "CNY", 6) == "¥0.000123"
    assert show(D(5), "SEK") == "5.00 SEK"


def test_the_example_that_ships_is_valid_in_dollars_and_yuan() -> None:
    costs = read_costs(EXAMPLE)
    both = ownership(costs, "CNY").month - ownership(costs, "USD").month * costs.rates["CNY"].per_usd
    assert abs(both) < D("1e-18")


def test_old_prices_and_ones_of_tomorrow_are_warned_of() -> None:
    costs = fleet(1)
    assert stale(costs, DAY + datetime.timedelta(days=90)) == ()
    old = stale(costs, DAY + datetime.timedelta(days=91))
    assert len(old) == 3
    assert {each.severity for each in old} == {"warning"}
    assert "91" in old[0].why
    assert stale(costs, DAY - datetime.timedelta(days=2))[0].why.count("ahead")


BASE = "currency: USD\nrented: [{name: g, per_hour: 2, count: 1, date: 2026-11-22, source: x}]\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (BASE.replace("USD", "CNY"), "CNY"),
        (BASE.replace("USD", "dollars"), "dollars"),
        (BASE.replace("per_hour: 2", "per_hour: -2"), "per_hour"),
        (BASE.replace("per_hour: 2", "per_hour: .nan"), "per_hour"),
        (BASE.replace("count: 1", "count: -1"), "count"),
        (BASE.replace("source: x", "source: x, currency: EUR"), "EUR"),
        (BASE + "rates: {CNY: {per_usd: 0, date: 2026-11-22, source: x}}", "rates.CNY"),
        (BASE + "power: {kw: 1, per_kwh: 1, pue: 0.9, date: 2026-11-22, source: x}", "pue"),
        ("currency: USD\n", "owned"),
        (BASE + "owned: [{name: s, price: 1, months: 0, date: 2026-11-22, source: x}]", "months"),
        (BASE + "owned: [{name: s, price: 1, months: 9, left_ratio: 1.5, date: 2026-11-22, source: x}]", "left_ratio"),
    ],
)
def test_a_file_that_cannot_be_reckoned_with_says_where_and_what_to_do(tmp_path: Path, text: str, names: str) -> None:
    file = tmp_path / "costs.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError) as error:
        read_costs(file)
    assert any(names in str(finding) for finding in error.value.findings)
    assert all(finding.fix for finding in error.value.findings)


@pytest.mark.parametrize(
    "text", [BASE.replace(", date: 2026-11-22", ""), BASE.replace(", source: x", ""), BASE.replace("count", "cuont")]
)
def test_a_price_without_its_day_or_source_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "costs.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        read_costs(file)


def test_what_does_not_compare_is_refused() -> None:
    dollars, yuan = ownership(fleet(1)), ownership(fleet(1), "CNY")
    free = ownership(fleet(0, fixed="0"))
    none = Calls(number=D(0))
    for wrong in (
        lambda: change(dollars, yuan),
        lambda: change(free, dollars),
        lambda: change(dollars, dollars, once=D(-1)),
        lambda: change(dollars, dollars, calls_before=none, calls_after=none),
    ):
        with pytest.raises(UsageError) as error:
            wrong()
        assert error.value.fix
