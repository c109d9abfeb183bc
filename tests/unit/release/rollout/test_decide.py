"""What follows from a ruling at a step's end, for every strategy and every wish of the file."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forebay.config.schema.rollout import Rollout as Plan
from forebay.release.judge.measures import Outcome
from forebay.release.rollout.decide import decide, due
from forebay.release.rollout.state import Rollout, Step

STEPS = (Step(0.1, 60.0, 50), Step(0.5, 60.0, 50))
FIRST = Rollout(strategy="canary", steps=STEPS, slots={"m": ("e",)}, step_at=1000.0)
LAST = msgspec.structs.replace(FIRST, step=1)
END, MUCH_LATER = 1060.0, 1060.0 + 3600.0
CASES: dict[str, tuple[Rollout, dict[str, Any], Outcome, float, str]] = {
    "passes": (FIRST, {}, "pass", END, "next"),
    "passes the last": (LAST, {}, "pass", END, "promote"),
    "passes the last, by hand": (LAST, {"promote": "manual"}, "pass", END, "hold"),
    "fails": (FIRST, {}, "fail", END, "fail"),
    "too little": (FIRST, {}, "insufficient data", END, "wait"),
    "too little for too long": (FIRST, {}, "insufficient data", MUCH_LATER, "fail"),
    "too little, held": (FIRST, {"on_insufficient": "hold"}, "insufficient data", END, "hold"),
    "too little, held for too long": (FIRST, {"on_insufficient": "hold"}, "insufficient data", MUCH_LATER, "fail"),
    "too little, and that fails": (FIRST, {"on_insufficient": "fail"}, "insufficient data", END, "fail"),
    "paused": (msgspec.structs.replace(FIRST, paused=True), {}, "pass", END, "hold"),
    "A/B passes": (msgspec.structs.replace(LAST, strategy="ab"), {}, "pass", MUCH_LATER, "hold"),
    "A/B differs": (msgspec.structs.replace(LAST, strategy="ab"), {}, "fail", MUCH_LATER, "hold"),
    "switched": (msgspec.structs.replace(LAST, strategy="blue-green"), {}, "insufficient data", END, "promote"),
    "switched and failed": (msgspec.structs.replace(LAST, strategy="blue-green"), {}, "fail", END, "fail"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_step_that_has_had_its_time(case: str) -> None:
    rollout, given, outcome, at, wanted = CASES[case]
    plan = Plan.model_validate({**given})
    assert decide(rollout, plan, outcome, "because", at).kind == wanted


@pytest.mark.parametrize(
    ("case", "code"),
    [
        ("passes the last, by hand", "rollout_passed"),
        ("too little, held", "rollout_by_hand"),
        ("paused", "rollout_paused"),
        ("A/B passes", "rollout_of_two"),
        ("too little, held for too long", "rollout_undecided"),
        ("fails", "said"),
    ],
)
def test_what_a_person_has_to_know_has_a_code_and_says_what_was_ruled(case: str, code: str) -> None:
    rollout, given, outcome, at, _wanted = CASES[case]
    why = decide(rollout, Plan.model_validate(given), outcome, "because", at).why
    assert why is not None
    assert why.code == code
    assert ("because" in str(why)) == bool(why.values)


def test_a_step_is_due_once_it_has_begun_and_lasted() -> None:
    assert not due(FIRST, END - 1)
    assert due(FIRST, END)
    assert not due(msgspec.structs.replace(FIRST, step_at=0.0), END)
