"""Agreement of two texts: a table, and what holds for any two."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.cascade.agreement import is_exact, overlap_f1


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("Paris.", "paris", 1.0),
        ("the capital is Paris", "Paris", 0.4),
        ("yes", "no", 0.0),
        ("", "", 1.0),
        ("", "a", 0.0),
        ("a a a", "a", 0.5),
        ("首都是巴黎", "巴黎是首都", 1.0),
        ("巴黎 Paris", "Paris", 0.5),
    ],
)
def test_the_overlap_of(one: str, other: str, overlap: float) -> None:
    assert overlap_f1(one, other) == pytest.approx(overlap)


@given(st.text(max_size=60), st.text(max_size=60))
def test_it_is_a_ratio_the_same_both_ways_and_one_for_equals(one: str, other: str) -> None:
    assert 0 <= overlap_f1(one, other) <= 1
    assert overlap_f1(one, other) == overlap_f1(other, one)
    assert overlap_f1(one, one) == 1
    assert not is_exact(one, other) or overlap_f1(one, other) == 1
