"""Which engines stand beside which, where there is room for them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.config.schema.rollout import Rollout as Plan
from forebay.core.errors import RunError
from forebay.engines.spec import EngineSpec
from forebay.release.rollout.begin import Begun, begin
from forebay.release.rollout.lanes import lanes, policies
from forebay.release.rollout.state import Strategy


def spec(name: str, model: str = "m", **more: Any) -> EngineSpec:
    return EngineSpec(**{"name": name, "model": model, "kind": "vllm", "argv": ("x",), "max_outstanding": 1, **more})


def on(gpu: str) -> dict[str, str]:
    return {"CUDA_VISIBLE_DEVICES": gpu}


def begun(strategy: Strategy, before: list[EngineSpec], after: list[EngineSpec], **plan: Any) -> Begun:
    """Every engine that is in both is another process."""
    old, new = ({each.name: each for each in specs} for specs in (before, after))
    return begin(strategy, Plan.model_validate(plan), old, new, old.keys() & new.keys())


def test_a_canary_is_one_engine_of_each_model_with_a_fresh_one_beside_it() -> None:
    engines = [spec("a1"), spec("a2"), spec("b1", "n")]
    made = begun("canary", engines, engines)
    assert made.rollout.slots == {"m": ("a1",), "n": ("b1",)}
    assert made.rollout.baselines == ("a1", "b1")
    assert made.beside
    assert [step.share_ratio for step in made.rollout.steps] == [0.05, 0.25, 0.5]


def test_blue_green_is_all_of_them_and_has_no_baseline() -> None:
    engines = [spec("a1"), spec("a2")]
    made = begun("blue-green", engines, engines, keep="5m")
    assert made.rollout.slots == {"m": ("a1", "a2")}
    assert made.rollout.baselines == ()
    assert [step.lasts_s for step in made.rollout.steps] == [300.0]


def test_where_gpus_are_in_use_the_canary_takes_an_engines_place_and_the_rest_is_the_baseline() -> None:
    engines = [spec("a1", env=on("0")), spec("a2", env=on("1"))]
    made = begun("canary", engines, engines)
    assert not made.beside
    assert made.rollout.baselines == ()
    assert "no room" in made.rollout.no_baseline


def test_there_may_be_room_for_the_canary_alone() -> None:
    made = begun("canary", [spec("a1", env=on("0")), spec("a2", env=on("1"))], [spec("a1", env=on("2")), spec("a2")])
    assert made.beside
    assert "no room" in made.rollout.no_baseline


@pytest.mark.parametrize(
    ("strategy", "before", "after", "code"),
    [
        ("canary", [spec("a1", env=on("0"))], [spec("a1", env=on("0"))], "rollout_no_room"),
        ("canary", [spec("a1", port=9000)], [spec("a1", port=9000)], "rollout_no_room"),
        ("blue-green", [spec("a", env=on("0")), spec("b", env=on("1"))], [spec("a", env=on("0")), spec("b")],
         "rollout_no_room"),
        ("canary", [spec("a1")], [spec("other")], "rollout_nothing"),
        ("canary", [spec("a1")], [spec("a1", "n")], "rollout_nothing"),
        ("canary", [spec("a1", argv=(), kind="external")], [spec("a1", argv=(), kind="external")], "rollout_nothing"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_or_put_anywhere_is_refused(
    strategy: Strategy, before: list[EngineSpec], after: list[EngineSpec], code: str
) -> None:
    with pytest.raises(RunError) as caught:
        begun(strategy, before, after)
    assert caught.value.code == code
    assert caught.value.fix


def test_no_baseline_is_started_where_none_is_wanted_or_its_name_is_taken() -> None:
    assert begun("canary", [spec("a")], [spec("a")], baseline="none").rollout.baselines == ()
    taken = [spec("a"), spec("a.baseline")]
    assert begun("canary", taken, taken).rollout.baselines == ()


def test_before_its_first_step_a_canary_gets_only_what_asks_for_it() -> None:
    made = begun("canary", [spec("a")], [spec("a")]).rollout
    (policy,) = policies(made, Plan(), "I1", {"a": "a.123abc"}).values()
    assert (policy.canary, policy.baseline) == (("a.123abc",), ("a.baseline",))
    assert (policy.share_ratio, policy.shadow_ratio, policy.by_header) == (0.0, 0.0, True)


def test_engines_that_are_not_placed_yet_are_in_no_lane() -> None:
    made = begun("canary", [spec("a")], [spec("a")]).rollout
    assert lanes(made, {})["m"].canary == ()
