"""The highest load that keeps an SLO, found by intervals and not by luck."""

from __future__ import annotations

import random

import pytest

from forebay.tune.slo import Limits, Window, highest, judged


class Service:
    """Answers are good with a chance that falls as the rate nears its capacity; slow moments come in whole windows."""

    def __init__(self, capacity_rps: float, *, idle: float = 0.999, seed: int = 1, rows: float = 0.0) -> None:
        self._capacity_rps, self._idle, self._rows = capacity_rps, idle, rows
        self._dice = random.Random(seed)
        self.asked: list[float] = []

    def share(self, rate_rps: float) -> float:
        """Falls through 95 % at the capacity."""
        return self._idle - max(0.0, rate_rps / self._capacity_rps - 0.9) * 0.5

    def __call__(self, rate_rps: float, number: int) -> Window:
        self.asked.append(rate_rps)
        sent = max(20, round(rate_rps * 20))
        share = min(1.0, max(0.0, self.share(rate_rps) - abs(self._dice.gauss(0, self._rows))))
        return Window(sent=sent, good=sum(self._dice.random() < share for _each in range(sent)))


@pytest.mark.parametrize("capacity_rps", [0.7, 12.0, 300.0])
@pytest.mark.parametrize("begin_rps", [0.1, 5.0, 2000.0])
def test_it_is_found_from_below_and_from_above(capacity_rps: float, begin_rps: float) -> None:
    found = highest(Service(capacity_rps), begin_rps, Limits())
    assert found.confirmed
    assert found.highest_rps is not None
    assert 0.6 * capacity_rps < found.highest_rps < 1.05 * capacity_rps


def test_it_hardly_ever_tells_a_load_that_breaks_the_slo() -> None:
    too_high = 0
    for seed in range(200):
        service = Service(20.0, seed=seed, rows=0.01)
        found = highest(service, 8.0, Limits())
        if found.highest_rps is not None and found.confirmed and service.share(found.highest_rps) < 0.94:
            too_high += 1
    assert too_high <= 6


def test_an_slo_that_no_load_can_meet_is_a_clear_answer() -> None:
    found = highest(Service(20.0, idle=0.5), 8.0, Limits())
    assert found.highest_rps is None
    assert "no load keeps the SLO" in found.why
    assert "95%" in found.why


def test_the_time_ends_the_search_and_the_answer_says_so() -> None:
    service = Service(20.0)
    found = highest(service, 8.0, Limits(), enough=lambda: len(service.asked) > 6)
    assert not found.confirmed
    assert len(service.asked) < 10


def test_nothing_sent_is_no_proof() -> None:
    assert judged([Window(sent=0, good=0)], Limits())[0] == "unsure"


def test_few_answers_are_no_proof() -> None:
    assert judged([Window(sent=10, good=10)], Limits())[0] == "unsure"
    assert judged([Window(sent=100, good=100)], Limits())[0] == "kept"
    assert judged([Window(sent=100, good=80)], Limits())[0] == "broken"


def test_a_window_in_which_nobody_asked_breaks_nothing() -> None:
    """At a low rate a window may pass without a request: the next one tells."""

    def seldom(rate_rps: float, number: int) -> Window:
        return Window(sent=0, good=0) if number == 0 else Window(sent=100, good=100 if rate_rps < 5 else 0)

    found = highest(seldom, 1.0, Limits(least_rps=1.0))
    assert found.highest_rps is not None
    assert found.confirmed
