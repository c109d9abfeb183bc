"""Recorded traffic is played through copies that come and go."""

from __future__ import annotations

import random

import msgspec
import pytest

from forebay.core.errors import UsageError
from forebay.scale.policy import Rules
from forebay.scale.traffic import Arrived
from forebay.tune.load.workload import Slo
from forebay.tune.simulate.scaled import fixed, scaled, speed_of
from forebay.tune.simulate.spec import EngineShape, Gateway, StepTime

BEGIN_S = 1_763_856_000.0
SHAPE = EngineShape(
    step=StepTime(fixed_s=0.01, prompt_token_s=1e-4, sequence_s=1e-3),
    max_sequences=4,
    max_batched_tokens=2048,
    cache_tokens=8192,
    max_outstanding=4,
)
RULES = Rules(least=1, most=4, calls=3.0, up_s=3.0, down_s=120.0)
WAY = {"gateway": Gateway(queue_wait_s=600.0), "slo": Slo(e2e_ms=3000.0)}


def calls(rates: list[tuple[float, float]], seed: int = 1) -> list[Arrived]:
    """Poisson calls at each rate for so many seconds."""
    dice, at_s, found = random.Random(seed), 0.0, []
    end_s = 0.0
    for rate_rps, length_s in rates:
        end_s += length_s
        while (at_s := at_s + dice.expovariate(rate_rps)) < end_s:
            found.append(Arrived("e", BEGIN_S + at_s, 1.0, 0.1, 100, 50))
        at_s = end_s
    return found


PEAK = calls([(0.5, 300), (9.0, 300), (0.5, 600)])


def test_copies_come_for_the_peak_and_go_after_it() -> None:
    found = scaled(PEAK, SHAPE, RULES, 10.0, **WAY)
    counts = [each.copies for each in found.turns]
    assert counts[0] == counts[-1] == 1
    assert found.most_copies >= 3
    assert found.outcome.completed == len(PEAK)
    assert 301 <= next(each.at - BEGIN_S for each in found.turns if each.copies > 1) <= 320


def test_it_costs_less_than_all_and_makes_fewer_wait_than_the_fewest() -> None:
    found = scaled(PEAK, SHAPE, RULES, 10.0, **WAY)
    most, least = (fixed(PEAK, SHAPE, copies, **WAY) for copies in (4, 1))
    assert found.copy_hours < 0.7 * most.copy_hours
    assert found.outcome.attained_ratio is not None
    assert least.outcome.attained_ratio is not None
    assert found.outcome.attained_ratio > least.outcome.attained_ratio


def test_a_start_that_takes_longer_makes_more_wait() -> None:
    quick, slow = (scaled(PEAK, SHAPE, RULES, start_s, **WAY) for start_s in (1.0, 90.0))
    assert quick.outcome.waited is not None
    assert slow.outcome.waited is not None
    assert quick.outcome.waited.p95_ms < slow.outcome.waited.p95_ms


def test_the_least_is_kept_though_nobody_calls() -> None:
    rules = msgspec.structs.replace(RULES, least=2)
    found = scaled(calls([(0.05, 1200)]), SHAPE, rules, 10.0, **WAY)
    assert {each.copies for each in found.turns} == {2}


def test_the_record_tells_how_fast_engines_are() -> None:
    """Answers of engines that take 10 ms a token, alone: that is what is found."""
    alone = [Arrived("e", BEGIN_S + 10 * n, 0.05 + 0.01 * 99, 0.05, 100, 100) for n in range(200)]
    step = speed_of(alone).step
    assert step.fixed_s + step.sequence_s + 150 * step.cached_token_s == pytest.approx(0.01, rel=0.05)


def test_without_streams_it_cannot_be_told() -> None:
    with pytest.raises(UsageError, match="too few"):
        speed_of([Arrived("e", BEGIN_S + n, 1.0, 0.0, 10, 10) for n in range(50)])
