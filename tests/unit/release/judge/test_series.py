"""The judge's memory has bounds, and what it forgets is no evidence for or against anyone."""

from __future__ import annotations

import tracemalloc

import pytest
from benchmarks.judge.traffic import Effect, traffic
from hypothesis import given
from hypothesis import strategies as some

from forebay.release.judge.guards import MOST_WAITING, EventGuard, ValueGuard
from forebay.release.judge.judge import Judge
from forebay.release.judge.series import Series
from forebay.release.judge.tolerance import Tolerance

HERE = (3, False, True)


@given(calls=some.integers(0, 400), half=some.integers(1, 20))
def test_a_series_keeps_its_order_and_one_of_every_row(calls: int, half: int) -> None:
    most = 2 * half
    series = Series(most)
    for number in range(calls):
        series.add((number % 3, False, True), float(number))
    held = [int(value) for _stratum, value in series.held()]
    assert series.calls == calls
    assert len(held) <= most
    assert held == sorted(held)
    assert [stratum for stratum, _value in series.held()] == [(number % 3, False, True) for number in held]
    row = 1
    while calls >= most * row:
        row *= 2
    assert [number // row for number in held[: calls // row]] == list(range(calls // row))
    if calls < most:
        assert held == list(range(calls))


def test_every_call_has_the_same_chance_to_be_kept() -> None:
    kept = [0] * 8
    for number in range(2000):
        series = Series(4)
        series._dice.seed(number)
        for place in range(8):
            series.add(HERE, float(place))
        for _stratum, value in series.held():
            kept[int(value)] += 1
    # Two of eight are kept, so that 500 are expected of each; six deviations of chance are 116.
    assert all(abs(count - 500) < 116 for count in kept)


def test_an_odd_number_of_values_is_refused() -> None:
    with pytest.raises(ValueError, match="halved"):
        Series(5)


def test_a_side_that_gets_most_calls_waits_for_the_other_within_bounds() -> None:
    """And what it is compared with then are its latest calls."""
    events, values = EventGuard(1.5), ValueGuard(0.1)
    for number in range(10 * MOST_WAITING):
        events.add("baseline", HERE, number < MOST_WAITING)
        values.add("baseline", HERE, 9.0 if number < MOST_WAITING else 1.0)
    for _ in range(MOST_WAITING):
        events.add("canary", HERE, False)
        values.add("canary", HERE, 1.0)
    assert events.wager.outcomes == 0
    assert values.wager.outcomes > 0
    assert values.wager.p_value == 1.0


def test_a_judge_of_many_calls_holds_little() -> None:
    judge, seen = Judge(Tolerance()), list(traffic(Effect(name="identical"), 1000, 1))
    tracemalloc.start()
    try:
        for number in range(40_000):
            judge.add(seen[number % len(seen)])
        held_bytes, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held_bytes < 1024 * 1024
    assert judge.verdict().outcome == "pass"
