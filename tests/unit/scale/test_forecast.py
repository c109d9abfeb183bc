"""A forecast is worth what it is better than the simple guesses, and says so."""

from __future__ import annotations

import math
import random

import pytest

from forebay.core.errors import UsageError
from forebay.observe.access_lines import calls
from forebay.scale.forecast import errors, foretell
from forebay.scale.traffic import Arrived, arrived, series

DAY = 96


def days(count: int, *, noise: float = 0.1, growth: float = 0.0, seed: int = 1) -> list[float]:
    """A service with a day and a night, and a weekend."""
    dice = random.Random(seed)
    found = []
    for slot in range(count * DAY):
        day, hour = divmod(slot, DAY)
        wave = 1 + math.sin(2 * math.pi * (hour / DAY - 0.3))
        weekend = 0.4 if day % 7 >= 5 else 1.0
        found.append((1 + 9 * wave) * weekend * (1 + growth * day) * dice.lognormvariate(0, noise))
    return found


def test_a_day_that_repeats_itself_is_foretold_better_than_by_any_simple_guess() -> None:
    found = errors(days(15), DAY, ahead=4, slots=DAY)
    assert found.yesterday is not None
    assert found.forecast < found.last
    assert found.forecast < found.yesterday
    assert found.skill > 0.15


def test_noise_alone_cannot_be_foretold_and_the_error_says_so() -> None:
    dice = random.Random(3)
    found = errors([dice.lognormvariate(0, 1) for _ in range(8 * DAY)], DAY, ahead=4, slots=DAY)
    assert found.forecast > 0.3 * found.mean


def test_growth_is_followed() -> None:
    values = days(8, noise=0.0, growth=0.1)
    told = foretell(values[:-4], DAY, ahead=4)
    assert told == pytest.approx(values[-1], rel=0.15)


def test_without_a_day_before_the_last_value_is_all_there_is() -> None:
    assert foretell([3.0, 5.0], DAY, ahead=2) == 5.0
    assert errors([3.0, 5.0, 4.0], DAY, ahead=1, slots=DAY).yesterday is None


def test_calls_are_counted_where_they_came_and_lie_where_they_ran() -> None:
    made = [Arrived("e", 100.0, 30.0, 1.0, 10, 5), Arrived("e", 125.0, 5.0, 1.0, 10, 5)]
    found = series(made, 10.0)
    assert found.begin_s == 100.0
    assert found.calls == (1, 0, 1, 0)
    assert found.in_flight == pytest.approx((1.0, 1.0, 1.5, 0.0))


def test_only_calls_that_an_engine_answered_count() -> None:
    line = (
        b'{"timestamp":"2026-11-22T10:00:10Z","message":"request","model":"%b","tokens":{"input":9,"output":%d},'
        b'"latency_ms":4000,"queue_ms":1000,"ttft_ms":1500,"endpoint":"/v1/completions","status":%d,"engine":"%b"}'
    )
    lines = [
        line % (b"m", 3, 200, b"e"),
        line % (b"other", 3, 200, b"e"),
        line % (b"m", 3, 200, b""),
        line % (b"m", 0, 503, b"e"),
        b"no line",
    ]
    (found,) = arrived(calls(lines), "m")
    assert (found.took_s, found.first_s) == (3.0, 0.5)
    assert found.at_s % 60 == 6.0


def test_an_empty_record_is_told() -> None:
    with pytest.raises(UsageError, match="no call is recorded"):
        series([], 60.0)
