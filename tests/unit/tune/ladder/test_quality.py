"""The quality gate bears another order of sums, and no other answers."""

from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from forebay.core.errors import UsageError
from forebay.tune.quality import PROMPTS, judged, labelled
from forebay.tune.trial import Answers

Token = tuple[str, float, dict[str, float]]


def answers(shift: float = 0.0, *, turned: int = 0, tie: float = 0.01, accuracy: float | None = None) -> Answers:
    """Ten tokens a prompt, log-probabilities off by `shift`; `turned` answers part where the gap is `tie`."""
    told = []
    for number in range(len(PROMPTS)):
        tokens: list[Token] = [
            (f" w{place}", -0.5 + shift, {f" w{place}": -0.5, " x": -0.5 - tie}) for place in range(10)
        ]
        if number < turned:
            tokens[4] = (" x", -0.5, {" x": -0.5, " w4": -0.5 - tie})
        told.append(tuple(tokens))
    texts = tuple("".join(token for token, *_rest in each) for each in told)
    return Answers(texts=texts, tokens=tuple(told), accuracy=accuracy)


def test_the_same_answers_pass() -> None:
    found = judged(answers(), answers(), precision=False, floor=None)
    assert found.passed
    assert (found.same_share, found.drift_nats) == (1.0, 0.0)


def test_near_ties_may_fall_either_way() -> None:
    assert judged(answers(turned=6, tie=0.02), answers(tie=0.02), precision=False, floor=None).passed


def test_answers_that_part_where_the_baseline_was_sure_do_not_pass() -> None:
    found = judged(answers(turned=6, tie=4.0), answers(tie=4.0), precision=False, floor=None)
    assert not found.passed
    assert "near tie" in found.why


def test_a_drift_is_borne_where_precision_was_lowered_and_only_there() -> None:
    assert judged(answers(0.1), answers(), precision=True, floor=None).passed
    assert not judged(answers(0.1), answers(), precision=False, floor=None).passed
    assert not judged(answers(0.5), answers(), precision=True, floor=None).passed


def test_the_operators_floor_counts_for_the_baseline_too() -> None:
    assert not judged(answers(accuracy=0.8), None, precision=False, floor=0.9).passed
    assert judged(answers(accuracy=0.95), None, precision=False, floor=0.9).passed


def test_a_labelled_set_names_the_line_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text('{"prompt": "1+1=", "accept": ["2"]}\n{"prompt": 3}\n', encoding="utf-8")
    with pytest.raises(UsageError, match=r"set\.jsonl:2"):
        labelled(path)


@pytest.mark.parametrize("seed", range(5))
def test_an_engine_without_log_probabilities_is_judged_by_its_texts(seed: int) -> None:
    dice = random.Random(seed)
    base = Answers(texts=tuple(str(dice.random()) for _prompt in PROMPTS))
    other = Answers(texts=tuple(str(dice.random()) for _prompt in PROMPTS))
    assert judged(base, base, precision=False, floor=None).passed
    assert not judged(other, base, precision=False, floor=None).passed
    assert math.isclose(judged(other, base, precision=False, floor=None).same_share or 0.0, 0.0)
