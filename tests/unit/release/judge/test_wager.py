"""Claims about evidence that is looked at all the time."""

from __future__ import annotations

import math
import random

import pytest

from forebay.release.judge.wager import Wager

ROLLOUTS, OUTCOMES, ALPHA = 400, 400, 0.05


@pytest.mark.parametrize("bound", [0.5, 0.6, 0.05])
def test_who_looks_after_every_outcome_is_fooled_no_more_often_than_stated(bound: float) -> None:
    chance = random.Random(7)
    fooled = 0
    for _ in range(ROLLOUTS):
        wager = Wager(bound)
        for _ in range(OUTCOMES):
            wager.add(float(chance.random() < bound))
        fooled += wager.p_value <= ALPHA
    # Ville's bound, and three standard deviations of a simulation of this size.
    assert fooled / ROLLOUTS <= ALPHA + 3 * math.sqrt(ALPHA * (1 - ALPHA) / ROLLOUTS)


@pytest.mark.parametrize(("bound", "truth", "most"), [(0.5, 1.0, 20), (0.5, 0.8, 120), (0.6, 0.9, 120)])
def test_a_mean_beyond_the_bound_is_noticed(bound: float, truth: float, most: int) -> None:
    chance = random.Random(11)
    wager = Wager(bound)
    while wager.p_value > 0.001:
        assert wager.outcomes < most
        wager.add(float(chance.random() < truth))


def test_what_was_noticed_once_stays_noticed() -> None:
    wager = Wager(0.5)
    for _ in range(20):
        wager.add(1.0)
    noticed = wager.p_value
    for _ in range(500):
        wager.add(0.0)
    assert wager.p_value == noticed < 0.001


def test_ties_at_the_bound_are_no_evidence() -> None:
    wager = Wager(0.5)
    for _ in range(1000):
        wager.add(0.5)
    assert wager.log_wealth == 0.0


@pytest.mark.parametrize("bound", [0.0, 1.0, -1.0, 2.0, math.nan])
def test_a_bound_that_nothing_can_exceed_is_refused(bound: float) -> None:
    with pytest.raises(ValueError, match="nothing to bet against"):
        Wager(bound)
