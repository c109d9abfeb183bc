"""Requests come as their shape says, and the same ones however many processes share them."""

from collections import Counter
from itertools import pairwise
from random import Random
from statistics import fmean, pstdev

import msgspec
import pytest

from forebay.core.errors import UsageError
from forebay.tune.load.arrivals import starts
from forebay.tune.load.lengths import draw, parse
from forebay.tune.load.schedule import endless, planned
from forebay.tune.load.workload import Arrivals, Lengths, Step, Workload, check


def times(come: Arrivals, duration_s: float | None = 1000.0, seed: int = 1) -> list[float]:
    return list(starts(Workload(arrivals=come, duration_s=duration_s), Random(seed)))


def test_a_constant_rate_has_even_gaps():
    assert times(Arrivals(shape="constant", rate_rps=4.0), 1.0) == [0.0, 0.25, 0.5, 0.75]


@pytest.mark.parametrize(("shape", "burstiness"), [("poisson", 1.0), ("gamma", 0.25), ("gamma", 4.0)])
def test_random_gaps_have_the_rate_and_the_burstiness_asked_for(shape, burstiness):
    gaps = [b - a for a, b in pairwise(times(Arrivals(shape=shape, rate_rps=10.0, burstiness=burstiness), 2000.0))]
    assert fmean(gaps) == pytest.approx(0.1, rel=0.06)
    assert pstdev(gaps) / fmean(gaps) == pytest.approx(burstiness**-0.5, rel=0.06)


def test_a_ramp_comes_more_often_towards_its_end():
    found = times(Arrivals(shape="ramp", rate_rps=0.0, to_rate_rps=20.0), 1000.0)
    by_quarter = Counter(int(at / 250) for at in found)
    # Under a rate that grows evenly from 0, the quarters hold 1, 3, 5 and 7 sixteenths.
    assert [by_quarter[each] / len(found) for each in range(4)] == pytest.approx(
        [1 / 16, 3 / 16, 5 / 16, 7 / 16], abs=0.01
    )


def test_a_ramp_may_go_down():
    found = times(Arrivals(shape="ramp", rate_rps=20.0, to_rate_rps=0.0), 1000.0)
    assert sum(at < 500 for at in found) / len(found) == pytest.approx(0.75, abs=0.02)


def test_steps_hold_each_rate_for_its_time_and_end():
    steps = (Step(rate_rps=5.0, duration_s=400.0), Step(rate_rps=50.0, duration_s=100.0))
    found = times(Arrivals(shape="steps", steps=steps), None)
    assert sum(at < 400 for at in found) == pytest.approx(2000, rel=0.1)
    assert sum(at >= 400 for at in found) == pytest.approx(5000, rel=0.1)
    assert max(found) < 500


def test_the_number_of_processes_changes_no_request():
    load = Workload(
        arrivals=Arrivals(rate_rps=50.0), input_tokens=Lengths(shape="uniform", least=1, most=900), duration_s=10.0
    )
    alone = list(planned(load))
    shared = [each for share in range(3) for each in planned(load, share, 3)]
    assert sorted(shared, key=lambda each: each.number) == alone


def test_another_shape_of_arrivals_sends_the_same_lengths():
    drawn = Lengths(shape="lognormal", tokens=300, deviation=0.8)
    loads = [
        Workload(arrivals=Arrivals(shape=shape, rate_rps=20.0), input_tokens=drawn, duration_s=None, requests=50)
        for shape in ("constant", "poisson")
    ]
    first, second = ([each.turns for each in planned(load)] for load in loads)
    assert first == second


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("512", Lengths(tokens=512)),
        ("uniform:10:20", Lengths(shape="uniform", least=10, most=20)),
        ("normal:300:50", Lengths(shape="normal", tokens=300, deviation=50.0)),
        ("lognormal:300:0.5", Lengths(shape="lognormal", tokens=300, deviation=0.5)),
        ("empirical:1,2,3", Lengths(shape="empirical", values=(1, 2, 3))),
    ],
)
def test_lengths_are_read_as_written_and_stay_in_their_bounds(text, expected):
    assert parse(text) == expected
    chance = Random(3)
    drawn = [draw(expected, chance) for _ in range(500)]
    assert min(drawn) >= 1
    if expected.shape == "uniform":
        assert set(drawn) == set(range(10, 21))
    elif expected.shape != "empirical":
        assert sorted(drawn)[250] == pytest.approx(expected.tokens, rel=0.1)


@pytest.mark.parametrize("text", ["", "many", "uniform:1", "normal:1:2:3", "empirical:1,x", "zipf:1:2"])
def test_other_lengths_are_refused(text):
    with pytest.raises(UsageError, match="no length in tokens"):
        parse(text)


@pytest.mark.parametrize(
    "load",
    [
        Workload(arrivals=Arrivals(rate_rps=0.0)),
        Workload(arrivals=Arrivals(rate_rps=-1.0)),
        Workload(arrivals=Arrivals(rate_rps=float("nan"))),
        Workload(arrivals=Arrivals(rate_rps=float("inf"))),
        Workload(duration_s=0.0),
        Workload(duration_s=-5.0),
        Workload(duration_s=None),
        Workload(duration_s=10.0, warm_up_s=10.0),
        Workload(requests=0),
        Workload(arrivals=Arrivals(shape="closed", concurrency=0)),
        Workload(arrivals=Arrivals(shape="ramp")),
        Workload(arrivals=Arrivals(shape="ramp", rate_rps=0.0, to_rate_rps=0.0)),
        Workload(arrivals=Arrivals(shape="steps")),
        Workload(arrivals=Arrivals(shape="steps", steps=(Step(rate_rps=0.0, duration_s=1.0),))),
        Workload(arrivals=Arrivals(shape="gamma", burstiness=0.0)),
        Workload(arrivals=Arrivals(shape="trace")),
        Workload(input_tokens=Lengths(tokens=0)),
        Workload(output_tokens=Lengths(shape="uniform", least=9, most=3)),
        Workload(shared_prefix_share=1.5),
        Workload(shared_prefixes=0),
        Workload(repeat_share=-0.1),
        Workload(turns=0),
        Workload(timeout_s=0.0),
    ],
)
def test_a_load_that_asks_for_nothing_is_refused(load):
    with pytest.raises(UsageError) as refused:
        check(load)
    assert refused.value.fix


def test_a_share_of_the_requests_says_what_another_says_and_is_as_long():
    load = Workload(
        arrivals=Arrivals(shape="closed"), input_tokens=Lengths(shape="uniform", least=5, most=500), requests=4000
    )
    plain = list(endless(load))
    repeating = list(endless(msgspec.structs.replace(load, repeat_share=0.3)))
    again = [each for each in repeating if each.text != each.number]
    assert 0.27 < len(again) / 4000 < 0.33
    assert len({each.text for each in again}) <= 64
    assert len({(each.text, each.turns) for each in again}) == len({each.text for each in again})
    alike = [(a, b) for a, b in zip(plain, repeating, strict=True) if b.text == b.number]
    assert all(a.turns == b.turns for a, b in alike)


def test_a_session_is_waited_for_through_all_of_its_turns_and_pauses():
    assert Workload(turns=1, think_s=9.0, timeout_s=60.0).longest_session_s == 60.0
    assert Workload(turns=5, think_s=90.0, timeout_s=60.0).longest_session_s == 5 * 60.0 + 4 * 90.0
