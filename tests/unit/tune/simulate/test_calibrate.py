"""A run tells how fast its engine steps: found again where it is known, and good for other loads."""

from __future__ import annotations

import msgspec
import pytest
from tests.unit.tune.simulate.recorded import recorded

from forebay.core.errors import UsageError
from forebay.tune.load.workload import Arrivals, Lengths, Step, Workload
from forebay.tune.report.measured import Measured
from forebay.tune.simulate.calibrate import calibrate
from forebay.tune.simulate.least_squares import fit
from forebay.tune.simulate.spec import EngineShape, Fleet, StepTime
from forebay.tune.simulate.validate import compare

TRUE = StepTime(fixed_s=0.006, prompt_token_s=1.5e-5, sequence_s=2.5e-5, cached_token_s=4e-8, call_s=0.003)
ENGINE = EngineShape(step=TRUE, max_sequences=128, max_batched_tokens=4096, cache_tokens=300_000)
STEPS = Workload(
    arrivals=Arrivals(shape="steps", steps=tuple(Step(rate_rps=rate, duration_s=25.0) for rate in (0.4, 4, 12, 22))),
    input_tokens=Lengths(shape="lognormal", tokens=500, deviation=0.8, most=6000),
    output_tokens=Lengths(shape="lognormal", tokens=150, deviation=0.6, least=4, most=800),
    duration_s=None,
)


@pytest.fixture(scope="module")
def known() -> Measured:
    return recorded(Fleet(engines=(ENGINE,)), STEPS)


def test_the_step_time_is_found_again(known: Measured) -> None:
    found = calibrate([known])
    for name in ("fixed_s", "prompt_token_s"):
        assert getattr(found.step, name) == pytest.approx(getattr(TRUE, name), rel=0.12), name
    # Sequences and what they read come together, so the two are told apart only roughly; what both cost is sure.
    assert _sequence(found.step) == pytest.approx(_sequence(TRUE), rel=0.12)
    assert found.residual_ratio < 0.03
    assert found.together[1] > 5 * found.together[0]


def test_it_foretells_loads_that_it_has_not_seen(known: Measured) -> None:
    learned = calibrate([known]).step
    others = (
        Workload(arrivals=Arrivals(rate_rps=25.0), input_tokens=Lengths(tokens=200), output_tokens=Lengths(tokens=60)),
        Workload(arrivals=Arrivals(shape="closed", concurrency=96), requests=600, duration_s=None),
    )
    for other in others:
        run = recorded(Fleet(engines=(ENGINE,)), other)
        figures, _outcome = compare(run, Fleet(engines=(msgspec.structs.replace(ENGINE, step=learned),)))
        assert {each.figure for each in figures} >= {"requests_per_s", "ttft_p50_ms", "ttft_p95_ms", "e2e_p95_ms"}
        assert max(abs(each.error_ratio) for each in figures) < 0.06


def test_a_run_against_itself_has_no_error(known: Measured) -> None:
    figures, _outcome = compare(known, Fleet(engines=(ENGINE,)))
    assert max(abs(each.error_ratio) for each in figures) < 0.005


def test_too_few_answers_are_refused() -> None:
    short = msgspec.structs.replace(STEPS, requests=10)
    with pytest.raises(UsageError, match="too few"):
        calibrate([recorded(Fleet(engines=(ENGINE,)), short)])


def test_a_result_without_its_calls_is_refused(known: Measured) -> None:
    with pytest.raises(UsageError, match="no single calls"):
        calibrate([msgspec.structs.replace(known, per_request=None)])


def test_unknowns_are_never_negative_and_wild_equations_count_little() -> None:
    rows = [[1.0, float(x)] for x in range(40)]
    assert fit(rows, [3.0 + 2 * x for x in range(40)]) == pytest.approx([3.0, 2.0])
    wild = [3.0 + 2 * x + (500 if x % 10 == 5 else 0) + 0.01 * (-1) ** x for x in range(40)]
    assert fit(rows, wild) == pytest.approx([3.0, 2.0], rel=0.1)
    assert fit(rows, [100.0 - x for x in range(40)])[1] == 0.0
    assert fit([[1.0, 2.0], [2.0, 4.0]], [1.0, 2.0]) in ([1.0, 0.0], [0.0, 0.5])


def _sequence(step: StepTime) -> float:
    return step.sequence_s + 750 * step.cached_token_s
