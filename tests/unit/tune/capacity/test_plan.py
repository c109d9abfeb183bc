"""How many engines: known answers, days that add up, and figures that make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.core.errors import ConfigError, UsageError
from forebay.tune.capacity.demand import Demand, day, read_day
from forebay.tune.capacity.plan import Reserve, Unit, plan

TEN_MILLION = day(10_000_000, 500)


def test_500_a_second_at_55_an_instance_is_10_instances_of_4_gpus_and_a_standby() -> None:
    found = plan(TEN_MILLION, Unit(capacity_rps=55, gpus=4), Reserve(standby=1, survive=1))
    assert (found.serving, found.serving * found.unit.gpus) == (10, 40)
    assert (found.standby, found.engines, found.gpus) == (1, 11, 44)
    assert found.lost_at_peak == 1
    assert found.load_with_one_lost == pytest.approx(500 / 550)


def test_before_tuning_20_an_instance_were_25_instances() -> None:
    # +175 % throughput an instance: 55 / 2.75.
    found = plan(TEN_MILLION, Unit(capacity_rps=20, gpus=4), Reserve(standby=0, survive=0))
    assert (found.engines, found.gpus) == (25, 100)


@pytest.mark.parametrize(
    ("reserve", "serving", "engines"),
    [
        (Reserve(standby=0, survive=0), 10, 10),
        (Reserve(standby=0, survive=1), 11, 11),
        (Reserve(standby=1, survive=1), 10, 11),
        (Reserve(standby=1, survive=2), 11, 12),
        (Reserve(standby=0, survive=0, headroom_ratio=0.2), 12, 12),
        # Headroom of two engines is there when one is lost.
        (Reserve(standby=0, survive=1, headroom_ratio=0.2), 12, 12),
    ],
)
def test_what_is_kept_in_reserve(reserve: Reserve, serving: int, engines: int) -> None:
    found = plan(TEN_MILLION, Unit(capacity_rps=55), reserve)
    assert (found.serving, found.engines) == (serving, engines)


def test_a_count_that_fits_exactly_is_not_rounded_up() -> None:
    # 55 x 0.9 is 49.5, and in binary a hair less.
    found = plan(day(10_000_000, 495), Unit(capacity_rps=55), Reserve(headroom_ratio=0.1, standby=0, survive=0))
    assert found.engines == 10


@settings(max_examples=60, deadline=None)
@given(mean=st.floats(0.1, 1000), ratio=st.floats(1.0, 20), hour=st.floats(0, 24), parts=st.sampled_from([24, 48, 96]))
def test_a_day_has_the_sum_and_never_more_than_the_peak(mean: float, ratio: float, hour: float, parts: int) -> None:
    found = day(mean * 86_400, mean * ratio, hour, parts)
    assert max(found.rates_rps) <= mean * ratio * (1 + 1e-9)
    assert min(found.rates_rps) >= 0
    assert found.per_day == pytest.approx(mean * 86_400, rel=0.02)


@settings(max_examples=60, deadline=None)
@given(
    peak=st.floats(1, 5000), capacity=st.floats(0.5, 500), headroom=st.sampled_from([0.0, 0.1, 0.3]),
    standby=st.integers(0, 3), survive=st.integers(0, 3),
)  # fmt: skip
def test_a_plan_carries_the_peak_with_what_may_be_lost(
    peak: float, capacity: float, headroom: float, standby: int, survive: int
) -> None:
    reserve = Reserve(headroom_ratio=headroom, standby=standby, survive=survive)
    found = plan(Demand(rates_rps=(peak / 3, peak), peak_rps=peak), Unit(capacity_rps=capacity), reserve)
    assert (found.engines - survive) * capacity >= peak * (1 - 1e-9)
    assert found.serving * capacity * (1 - headroom) >= peak * (1 - 1e-9)
    assert found.lost_at_peak >= survive
    assert found.engine_hours_scaled <= found.engine_hours + 1e-9
    assert found.energy_kwh_scaled <= found.energy_kwh + 1e-9


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: day(0, 500),
        lambda: day(10_000_000, 0),
        lambda: day(10_000_000, 100),
        lambda: day(float("nan"), 500),
        lambda: plan(TEN_MILLION, Unit(capacity_rps=0)),
        lambda: plan(TEN_MILLION, Unit(capacity_rps=float("inf"))),
        lambda: plan(TEN_MILLION, Unit(capacity_rps=55), Reserve(headroom_ratio=1.0)),
        lambda: plan(TEN_MILLION, Unit(capacity_rps=55), Reserve(standby=-1)),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_way_out(wrong: Any) -> None:
    with pytest.raises(UsageError) as error:
        wrong()
    assert error.value.fix


def test_a_day_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "day.yaml"
    file.write_text("rates_rps: [10, 20, 30, 20]\npeak_rps: 45\n")
    found = read_day(file)
    assert (found.per_day, found.peak_rps) == (20 * 86_400, 45)
    assert [step.duration_s for step in found.steps()] == [21_600] * 4


@pytest.mark.parametrize(
    "text", ["rates_rps: [10]", "rates_rps: [10, -1]", "rates_rps: [0, 0]", "rates_rps: [5, 9]\npeak_rps: 8"]
)
def test_a_day_that_cannot_be_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "day.yaml"
    file.write_text(text)
    with pytest.raises(UsageError):
        read_day(file)


@pytest.mark.parametrize("text", ["rates: [1, 2]", "rates_rps: many", "{", "\x00"])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "day.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError):
        read_day(file)
