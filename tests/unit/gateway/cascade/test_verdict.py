"""What an answer must show to be given: a table of verdicts, and what holds for any numbers."""

from __future__ import annotations

from math import log
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.cascade.policy import Bounds
from forebay.gateway.cascade.verdict import Shown, shown_by, verdict, yes_probability

LOGPROBS = st.lists(st.floats(-50, 0), min_size=1, max_size=50)


def answer(text: str | None = "text", finish: str | None = "stop", **choice: Any) -> bytes:
    message = {"role": "assistant", "content": text, **choice.pop("message", {})}
    return orjson.dumps({"choices": [{"index": 0, "message": message, "finish_reason": finish, **choice}]})


def told(*logprobs: Any) -> dict[str, Any]:
    return {"logprobs": {"content": [{"token": "x", "logprob": value} for value in logprobs]}}


@pytest.mark.parametrize(
    ("body", "bounds", "why"),
    [
        (answer(**told(-0.5)), Bounds(mean_logprob=-0.6), ""),
        (answer(**told(-0.6)), Bounds(mean_logprob=-0.6), ""),
        (answer(**told(-0.1, -1.2)), Bounds(mean_logprob=-0.6), "uncertain"),
        (answer(), Bounds(mean_logprob=-0.6), "no_evidence"),
        (answer(logprobs={"content": []}), Bounds(mean_logprob=-0.6), "no_evidence"),
        (answer(**told(-0.1, None)), Bounds(mean_logprob=-0.6), "no_evidence"),
        (answer(), Bounds(), ""),
        (answer(finish="length"), Bounds(), "unfinished"),
        (answer(finish="content_filter"), Bounds(), "unfinished"),
        (answer(finish="tool_calls"), Bounds(), "unfinished"),
        (answer(finish=None), Bounds(), "unfinished"),
        (answer(message={"tool_calls": [{}]}), Bounds(), "unfinished"),
        (answer(message={"refusal": "no"}), Bounds(), "unfinished"),
        (answer(message={"tool_calls": []}), Bounds(), ""),
        (answer(text=None), Bounds(), "empty"),
        (answer(text=" \n"), Bounds(), "empty"),
    ],
)
def test_the_verdict_on(body: bytes, bounds: Bounds, why: str) -> None:
    shown = shown_by(body)
    assert shown is not None
    assert verdict(shown, bounds) == why


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"choices":[]}', b'{"choices":[{},{}]}', b'{"choices":[{"text":5}]}', b'{"choices":' * 9000],
)
def test_what_is_no_answer_shows_nothing(body: bytes) -> None:
    assert shown_by(body) is None


def test_both_shapes_of_completions_are_read() -> None:
    openai = {"token_logprobs": [-0.5, -1.5], "top_logprobs": [{"a": -0.5, "b": -2.0}, None]}
    llama = {"content": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1.5}]}
    for told_so in (openai, llama):
        body = orjson.dumps({"choices": [{"text": "ab", "finish_reason": "stop", "logprobs": told_so}]})
        shown = shown_by(body)
        assert shown is not None
        assert (shown.text, shown.mean_logprob) == ("ab", -1.0)
        assert shown.odds[0] == ("a", -0.5)


@given(LOGPROBS, st.floats(-20, 0), st.floats(-20, 0))
def test_a_laxer_bound_never_turns_an_answer_away_that_a_stricter_one_lets_through(
    logprobs: list[float], one: float, other: float
) -> None:
    shown = shown_by(answer(**told(*logprobs)))
    assert shown is not None
    strict, lax = Bounds(mean_logprob=max(one, other)), Bounds(mean_logprob=min(one, other))
    assert verdict(shown, strict) or not verdict(shown, lax)


@given(LOGPROBS, st.floats(-20, 0))
def test_one_token_that_is_less_likely_never_makes_an_answer_better(logprobs: list[float], bound: float) -> None:
    bounds = Bounds(mean_logprob=bound)
    before, after = shown_by(answer(**told(*logprobs))), shown_by(answer(**told(*logprobs, min(logprobs) - 1)))
    assert before is not None
    assert after is not None
    assert not verdict(before, bounds) or verdict(after, bounds)


@given(st.floats(1e-6, 1 - 1e-6))
def test_the_probability_of_yes_is_told_among_yes_and_no_alone(yes: float) -> None:
    odds = [(" Yes", log(yes / 2)), ("NO", log((1 - yes) / 2)), ("perhaps", log(0.5))]
    assert yes_probability(odds) == pytest.approx(yes)


@given(st.lists(st.tuples(st.text(max_size=4), st.floats(-50, 50)), max_size=5))
def test_whatever_an_engine_tells_it_is_a_probability_or_nothing(odds: list[tuple[str, float]]) -> None:
    sure = yes_probability([("yes", -1.0), *odds])
    assert sure is not None
    assert 0 <= sure <= 1
    assert (
        yes_probability([(token, value) for token, value in odds if token.strip().lower() not in {"yes", "no"}]) is None
    )


def test_several_spellings_of_yes_add_up() -> None:
    assert yes_probability([("Yes", log(0.3)), ("yes", log(0.3)), ("No", log(0.2))]) == pytest.approx(0.75)


@given(st.binary(max_size=200))
def test_no_bytes_of_an_engine_are_an_exception(body: bytes) -> None:
    shown = shown_by(body)
    assert shown is None or isinstance(shown, Shown)
