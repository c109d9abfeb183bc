"""Known answers, of scipy 1.17 (`mannwhitneyu`, `brunnermunzel`) and of Newcombe's paper."""

from __future__ import annotations

import random

import pytest

from forebay.release.judge.ranks import Series, compare, factor
from forebay.release.judge.rates import rise, wilson

FIRST = [1.1, 9.9, 2.3, 8.2, 2.9, 7.7, 3.4, 6.1, 4.8, 5.0]
SECOND = [1.7, 13.5, 2.0, 12.0, 3.4, 10.4, 4.1, 9.3, 5.5, 8.8, 6.6, 7.1]


def series(values: list[float], stratum: int = 0) -> Series:
    return [((stratum, False, True), value) for value in values]


def test_in_one_stratum_it_is_mann_whitneys_effect_and_brunner_and_munzels_test() -> None:
    found = compare(series(FIRST), series(SECOND))
    assert found is not None
    assert found.superiority == pytest.approx(0.6458333333)
    assert found.p_greater == pytest.approx(0.1160779, abs=1e-6)
    assert found.p_less == pytest.approx(0.8839221, abs=1e-6)


def test_strata_that_are_hit_unevenly_are_no_difference() -> None:
    chance = random.Random(3)

    def drawn(short: int, long: int) -> Series:
        return series([chance.gauss(1, 0.1) for _ in range(short)]) + series(  # type: ignore[operator, no-any-return]
            [chance.gauss(9, 0.1) for _ in range(long)], 1
        )

    found = compare(drawn(300, 50), drawn(50, 300))
    assert found is not None
    assert 0.4 < found.superiority < 0.6
    assert min(found.p_greater, found.p_less) > 0.01


def test_a_row_of_slow_calls_is_less_news_than_its_calls() -> None:
    chance = random.Random(5)
    fast = [chance.gauss(1, 0.1) for _ in range(200)]
    slow = [chance.gauss(1.05, 0.1) for _ in range(50)]
    rest = [chance.gauss(1, 0.1) for _ in range(150)]
    in_a_row = compare(series(fast), series([*slow, *rest]))
    scattered = [value for index in range(50) for value in (slow[index], *rest[3 * index : 3 * index + 3])]
    spread = compare(series(fast), series(scattered))
    assert in_a_row is not None
    assert spread is not None
    assert in_a_row.superiority == pytest.approx(spread.superiority)
    assert in_a_row.p_greater > spread.p_greater


def test_samples_that_do_not_overlap_are_sure_and_finite() -> None:
    found = compare(series([1.0] * 20), series([2.0] * 20))
    assert found is not None
    assert found.superiority == 1.0
    assert found.p_greater < 1e-6
    equal = compare(series([1.0] * 20), series([1.0] * 20))
    assert equal is not None
    assert (equal.superiority, equal.p_greater) == (0.5, 0.5)


def test_no_stratum_with_both_says_nothing() -> None:
    assert compare(series([1.0, 2.0]), series([1.0, 2.0], 1)) is None
    assert compare(series([]), series([])) is None
    assert factor(series([1.0]), series([2.0], 1)) is None


def test_the_factor_is_that_of_the_samples() -> None:
    assert factor(series([1.0, 2.0, 4.0]), series([1.5, 3.0, 6.0])) == pytest.approx(1.5)
    many = [float(value) for value in range(1, 5000)]
    assert factor(series(many), series([2 * value for value in many])) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    # Newcombe 1998, table II, method 10, the differences with their sign turned.
    [((56, 70), (48, 80), -0.3339, -0.0524), ((9, 10), (3, 10), -0.8090, -0.1705), ((10, 10), (0, 20), -1.0, -0.6791)],
)
def test_the_rise_of_a_rate_has_newcombes_bounds(
    first: tuple[int, int], second: tuple[int, int], low: float, high: float
) -> None:
    found = rise(first, second, 0.975)
    assert found[0] == pytest.approx(low, abs=1e-4)
    assert found[2] == pytest.approx(high, abs=1e-4)


def test_a_rate_of_nothing_is_anything() -> None:
    assert wilson(0, 0, 0.95) == (0.0, 1.0)
