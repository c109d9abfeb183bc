"""Claims about verdicts: on simulated traffic with planted effects, and on lines of the access log."""

from __future__ import annotations

from typing import Any

import pytest
from benchmarks.judge.traffic import EFFECTS, Effect, traffic

from forebay.release.judge.judge import Judge, Verdict
from forebay.release.judge.observation import Observation, observed, stratum
from forebay.release.judge.tolerance import Tolerance

BY_NAME = {effect.name: effect for effect in EFFECTS}


def judged(effect: Effect, calls: int, seed: int) -> tuple[Judge, Verdict]:
    judge = Judge(Tolerance())
    for seen in traffic(effect, calls, seed):
        judge.add(seen)
    return judge, judge.verdict()


@pytest.mark.parametrize("name", [name for name in BY_NAME if name.startswith("identical")])
def test_an_equal_canary_raises_no_alarm_and_is_not_failed(name: str) -> None:
    verdicts = [judged(BY_NAME[name], 600, seed)[1].outcome for seed in range(12)]
    assert verdicts.count("fail") <= 1


def test_an_equal_canary_passes_with_enough_calls() -> None:
    assert judged(BY_NAME["identical"], 2000, 1)[1].outcome == "pass"


@pytest.mark.parametrize(
    ("name", "measure"),
    [
        ("first token 50 % later", "TTFT"),
        ("every tenth first token 5 times as late", "slow first tokens"),
        ("tokens 20 % slower", "inter-token latency"),
        ("5 % errors", "error rate"),
        ("answers 40 % longer", "output length"),
    ],
)
def test_a_planted_effect_is_found_and_named(name: str, measure: str) -> None:
    _, verdict = judged(BY_NAME[name], 1000, 1)
    assert verdict.outcome == "fail"
    assert any(reason.startswith(measure) for reason in verdict.reasons)


def test_the_guard_sees_it_before_the_step_ends() -> None:
    judge = Judge(Tolerance())
    for seen in traffic(BY_NAME["5 % errors"], 750, 3):
        judge.add(seen)
        if judge.alarm is not None:
            break
    else:
        pytest.fail("no alarm")
    assert judge.alarm.measure == "error rate"


@pytest.mark.parametrize("calls", [0, 10, 40])
def test_a_few_calls_decide_nothing(calls: int) -> None:
    assert judged(BY_NAME["identical"], calls, 1)[1].outcome == "insufficient data"


def test_a_canary_that_gets_no_calls_passes_nothing() -> None:
    judge = Judge(Tolerance())
    for _ in range(1000):
        judge.add(Observation(side="baseline", stratum=(1, False, True), ok=True, ttft_s=0.1))
    assert judge.verdict().outcome == "insufficient data"


def test_a_probe_that_fails_at_the_canary_alone_fails_it() -> None:
    judge = Judge(Tolerance())
    for number in range(120):
        judge.add(Observation(side="baseline", stratum=(1, False, True), ok=True, probe_ok=True))
        judge.add(Observation(side="canary", stratum=(1, False, True), ok=True, probe_ok=number % 4 != 0))
    verdict = judge.verdict()
    assert verdict.outcome == "fail"
    assert verdict.findings[0].measure == "quality probes failed"


LINE: dict[str, Any] = {
    "status": 200, "tokens": {"input": 100, "output": 11}, "latency_ms": 300.0, "ttft_ms": 100.0, "queue_ms": 20.0,
    "finish_reason": "stop", "cached_tokens": 64,
}  # fmt: skip


def test_a_line_of_the_log_becomes_an_observation() -> None:
    seen = observed(LINE, "canary")
    assert seen == Observation(
        side="canary", stratum=(3, True, True), ok=True, ttft_s=0.08, itl_s=0.02, output_tokens=11, finish="stop"
    )


def test_a_whole_answer_is_compared_with_whole_answers_by_its_time_a_token() -> None:
    seen = observed({name: value for name, value in LINE.items() if name != "ttft_ms"}, "canary")
    assert seen is not None
    assert (seen.ttft_s, seen.stratum) == (None, (3, True, False))
    assert seen.itl_s == pytest.approx(0.28 / 11)


@pytest.mark.parametrize(
    "change", [{"status": 400}, {"status": 429}, {"cancelled": "client"}, {"cache": "hit"}], ids=str
)
def test_what_is_not_the_engines_doing_is_left_out(change: dict[str, Any]) -> None:
    assert observed({**LINE, **change}, "canary") is None


@pytest.mark.parametrize(
    "change", [{"status": 502}, {"status": 200, "code": "engine_broke"}, {"continuations": 1}], ids=str
)
def test_what_the_engine_broke_is_an_error(change: dict[str, Any]) -> None:
    seen = observed({**LINE, **change}, "canary")
    assert seen is not None
    assert not seen.ok


@pytest.mark.parametrize(
    ("prompt", "cached", "expected"), [(0, 0, (0, False, True)), (1, 1, (0, True, True)), (4096, 0, (6, False, True))]
)
def test_strata_are_by_length_and_warmth(prompt: int, cached: int, expected: tuple[int, bool, bool]) -> None:
    assert stratum(prompt, cached) == expected
