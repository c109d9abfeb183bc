"""What an engine carries, from measured points: between the last good rate and the first bad one, or not at all."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.tune.simulate.recorded import recorded

from forebay.core.errors import UsageError
from forebay.tune.capacity.curve import Point, carried, point
from forebay.tune.capacity.errors import CurveHasHoles, NoCountMeets
from forebay.tune.capacity.find import find
from forebay.tune.load.workload import Arrivals, Lengths, Slo, Workload
from forebay.tune.simulate.spec import EngineShape, Fleet, StepTime

STEP = StepTime(fixed_s=0.006, prompt_token_s=2.5e-5, sequence_s=2.5e-5, cached_token_s=4e-8)
ENGINE = EngineShape(step=STEP, max_sequences=64, max_batched_tokens=4096, cache_tokens=300_000)
LOAD = Workload(input_tokens=Lengths(tokens=512), output_tokens=Lengths(tokens=64), duration_s=60.0)


def points(*pairs: tuple[float, float]) -> list[Point]:
    return [Point(rate_rps=rate, attained_ratio=share, calls=1000) for rate, share in pairs]


def test_between_the_last_good_rate_and_the_first_bad_one() -> None:
    found = carried(points((40, 1.0), (50, 0.97), (60, 0.93), (70, 0.2)), 0.95)
    assert found.rate_rps == pytest.approx(55)
    assert not found.at_least


def test_a_curve_that_never_fails_says_at_least() -> None:
    found = carried(points((40, 1.0), (50, 0.97)), 0.95)
    assert (found.rate_rps, found.at_least) == (50, True)


def test_a_hole_names_the_rate_to_measure() -> None:
    with pytest.raises(CurveHasHoles) as error:
        carried(points((10, 1.0), (60, 0.2)), 0.95)
    assert "35" in error.value.fix


def test_a_curve_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(CurveHasHoles, match="contradicts"):
        carried(points((40, 1.0), (50, 0.9), (60, 0.99)), 0.95)


def test_too_few_calls_are_no_point() -> None:
    with pytest.raises(CurveHasHoles):
        carried([Point(rate_rps=5, attained_ratio=1.0, calls=12)], 0.95)


def test_an_objective_that_no_load_keeps_is_no_matter_of_counts() -> None:
    with pytest.raises(NoCountMeets):
        carried(points((1, 0.4), (5, 0.3)), 0.95)


@pytest.mark.parametrize("wrong", [[], points((0.0, 1.0))])
def test_no_points_and_no_rate_are_refused(wrong: list[Point]) -> None:
    with pytest.raises(UsageError) as error:
        carried(wrong, 0.95)
    assert error.value.fix


def test_what_is_measured_and_what_is_simulated_agree() -> None:
    slo = Slo(ttft_ms=400)
    simulated = find(ENGINE, LOAD, slo, 0.95).rate_rps
    runs = []
    for share in (0.6, 0.9, 1.05, 1.15):
        come = Arrivals(rate_rps=share * simulated)
        runs.append(recorded(Fleet(engines=(ENGINE,)), msgspec.structs.replace(LOAD, arrivals=come, duration_s=100.0)))
    measured = carried([point(run, slo) for run in runs], 0.95)
    assert measured.rate_rps == pytest.approx(simulated, rel=0.12)


def test_a_tighter_objective_carries_less() -> None:
    rates = [find(ENGINE, LOAD, Slo(tpot_ms=bound), 0.95, calls=1000).rate_rps for bound in (10, 16)]
    assert rates[0] < 0.9 * rates[1]


def test_an_objective_below_one_calls_own_time_is_refused() -> None:
    with pytest.raises(NoCountMeets) as error:
        find(ENGINE, LOAD, Slo(ttft_ms=10), 0.95)
    assert error.value.fix


def test_no_objective_and_no_share_are_refused() -> None:
    with pytest.raises(UsageError):
        find(ENGINE, LOAD, Slo(), 0.95)
    with pytest.raises(UsageError):
        find(ENGINE, LOAD, Slo(ttft_ms=500), 1.0)


def test_a_run_whose_client_was_the_limit_is_no_point() -> None:
    run = recorded(Fleet(engines=(ENGINE,)), LOAD)
    limited = msgspec.structs.replace(run, client=msgspec.structs.replace(run.client, bottleneck="late by 1 s"))
    with pytest.raises(UsageError, match="bottleneck"):
        point(limited, Slo(ttft_ms=500))
