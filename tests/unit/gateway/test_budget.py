"""Retries are a share of calls, and at once no more than one engine's death needs."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.gateway.budget import RetryBudget


def test_a_fresh_budget_holds_what_one_death_needs() -> None:
    budget = RetryBudget(0.2, 3)
    assert [budget.spend() for _ in range(4)] == [True, True, True, False]


def test_a_spent_budget_fills_by_its_share_of_calls() -> None:
    budget = RetryBudget(0.25, 1)
    assert budget.spend()
    for _ in range(3):
        budget.earn()
        assert not budget.spend()
    budget.earn()
    assert budget.spend()


def test_a_share_of_nothing_gives_nothing_beyond_the_first() -> None:
    budget = RetryBudget(0.0, 1)
    assert budget.spend()
    for _ in range(100):
        budget.earn()
    assert not budget.spend()


@given(st.lists(st.booleans(), max_size=200), st.floats(0, 1), st.integers(1, 20))
@settings(deadline=None)
def test_never_more_than_capacity_and_share(calls: list[bool], ratio: float, capacity: int) -> None:
    budget, earned, spent = RetryBudget(ratio, capacity), 0, 0
    for retry in calls:
        if retry:
            spent += budget.spend()
        else:
            budget.earn()
            earned += 1
        assert spent <= capacity + ratio * earned + 1e-6
