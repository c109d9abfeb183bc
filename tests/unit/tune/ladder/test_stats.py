"""Our statistics against scipy's."""

from __future__ import annotations

import random
from statistics import fmean, median

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from forebay.tune.stats import bootstrap, paired, student_cdf, student_quantile, superiority


@settings(max_examples=60, deadline=None)
@given(st.floats(-30, 30), st.floats(0.5, 500))
def test_students_distribution(t: float, freedom: float) -> None:
    assert student_cdf(t, freedom) == pytest.approx(scipy_stats.t.cdf(t, freedom), abs=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.floats(0.001, 0.999), st.floats(1, 200))
def test_students_quantiles(chance: float, freedom: float) -> None:
    assert student_quantile(chance, freedom) == pytest.approx(scipy_stats.t.ppf(chance, freedom), rel=1e-6, abs=1e-6)


def test_the_paired_interval_is_students() -> None:
    dice = random.Random(3)
    first = [dice.lognormvariate(3, 0.1) for _ in range(9)]
    second = [value * dice.lognormvariate(0.05, 0.03) for value in first]
    known = scipy_stats.ttest_1samp(np.log(np.array(second) / np.array(first)), 0).confidence_interval(0.95)
    found = paired(first, second)
    assert (found.low, found.high) == pytest.approx((np.exp(known.low), np.exp(known.high)))


def test_the_bootstrap_agrees_with_scipys() -> None:
    dice = random.Random(5)
    values = [dice.expovariate(0.1) for _ in range(120)]
    for ours, theirs in ((fmean, "mean"), (median, "median")):
        known = scipy_stats.bootstrap(
            (values,), getattr(np, theirs), n_resamples=4000, method="percentile", rng=7
        ).confidence_interval
        found = bootstrap(values, ours, resamples=4000)
        assert found.low == pytest.approx(known.low, rel=0.06)
        assert found.high == pytest.approx(known.high, rel=0.06)


def test_blocks_widen_the_interval_where_neighbours_resemble_each_other() -> None:
    dice = random.Random(11)
    values, level = [], 0.0
    for _ in range(300):
        level = 0.95 * level + dice.gauss(0, 1)
        values.append(100 + level)
    alone, together = bootstrap(values), bootstrap(values, block=30)
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_superiority_is_that_of_its_definition() -> None:
    assert superiority([1.0, 2.0, 3.0], [2.0, 3.0, 4.0]) == pytest.approx((1 + 0.5 * 2 + 2 + 2 + 0.0) / 9, abs=0.12)
