"""Sizes and p-values of an A/B rollout against figures that are known."""

from __future__ import annotations

import random

import pytest

from forebay.release.judge.observation import Observation, stratum
from forebay.release.rollout.effects import Effects, fisher

WHERE = stratum(100)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [
        ((1, 10), (8, 10), 0.005477),
        ((3, 4), (1, 4), 0.485714),
        ((0, 10), (0, 10), 1.0),
        ((10, 10), (0, 10), 0.0000108),
        ((0, 1000), (50, 1000), 0.0),
    ],
)
def test_fishers_test(first: tuple[int, int], second: tuple[int, int], p: float) -> None:
    assert fisher(first, second) == pytest.approx(p, abs=1e-6)
    assert fisher(second, first) == pytest.approx(p, abs=1e-6)


def seen(effects: Effects, factor: float, errors: float, *, calls: int = 300) -> None:
    drawn = random.Random(5)
    for _ in range(calls):
        for side, times, failing in (("baseline", 1.0, 0.01), ("canary", factor, errors)):
            ok = drawn.random() >= failing
            figures = {"ttft_s": drawn.lognormvariate(-2, 0.3) * times, "output_tokens": 20, "finish": "stop"}
            effects.add(Observation(side=side, stratum=WHERE, ok=ok, **(figures if ok else {})))  # type: ignore[arg-type]


def test_what_differs_is_significant_and_what_does_not_is_not() -> None:
    effects = Effects()
    seen(effects, 1.3, 0.1)
    found = {each.measure: each for each in effects.found()}
    assert found["TTFT"].p < 1e-6
    assert found["TTFT"].change == pytest.approx(0.3, abs=0.1)
    assert found["TTFT"].size > 0.64
    assert found["error rate"].p < 0.001
    assert found["output length"].p == 1.0
    assert "inter-token latency" not in found


def test_nothing_is_told_without_calls() -> None:
    assert Effects().found() == ()
