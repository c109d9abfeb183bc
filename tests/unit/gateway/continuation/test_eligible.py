"""Which calls may be continued, and what the next engine is asked."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.gateway.continuation.eligible import (
    CHAT,
    COMPLETIONS,
    answer_tokens,
    completion_fields,
    held_chars,
    is_sampled,
    may_continue,
)

TALK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "x"}], "stream": True}
PROSE: dict[str, Any] = {"model": "m", "prompt": "x", "stream": True}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}

TAKEN: list[dict[str, Any]] = [
    {},
    {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "logit_bias": {"7": 1}},
    {"stop": ["a"], "stop_token_ids": [5], "min_tokens": 3, "ignore_eos": True},
    {"n": 1, "presence_penalty": 0, "frequency_penalty": 0.0, "repetition_penalty": 1.0, "logprobs": None},
    {"seed": None, "stream_options": {"include_usage": True}, "return_token_ids": True},
]
REFUSED: list[dict[str, Any]] = [
    {"n": 2},
    {"seed": 0},
    {"presence_penalty": 0.1},
    {"frequency_penalty": -1},
    {"repetition_penalty": 1.1},
    {"bad_words": ["x"]},
    {"stop": "x", "include_stop_str_in_output": True},
    {"response_format": {"type": "json_object"}},
    {"structured_outputs": {"regex": "a"}},
    {"use_beam_search": True},
    {"prompt_logprobs": 1},
]
CHAT_REFUSED: list[dict[str, Any]] = [
    {"tools": [{"type": "function"}]},
    {"tool_choice": "auto"},
    {"logprobs": True},
    {"top_logprobs": 2},
    {"messages": [IMAGE]},
    {"continue_final_message": True, "add_generation_prompt": False},
]
TEXT_REFUSED: list[dict[str, Any]] = [
    {"logprobs": 0},
    {"logprobs": 3},
    {"echo": True},
    {"suffix": "x"},
    {"prompt": ["x", "y"]},
    {"prompt": [[1, 2], [3]]},
]


@pytest.mark.parametrize("more", TAKEN)
def test_what_an_engine_can_take_up_exactly_is_continued(more: dict[str, Any]) -> None:
    assert may_continue({**TALK, **more}, CHAT)
    assert may_continue({**PROSE, **more}, COMPLETIONS)


@pytest.mark.parametrize("more", REFUSED)
def test_what_depends_on_the_whole_answer_is_refused(more: dict[str, Any]) -> None:
    assert not may_continue({**TALK, **more}, CHAT)
    assert not may_continue({**PROSE, **more}, COMPLETIONS)


@pytest.mark.parametrize("more", CHAT_REFUSED)
def test_parsers_and_images_are_refused(more: dict[str, Any]) -> None:
    assert not may_continue({**TALK, **more}, CHAT)


@pytest.mark.parametrize("more", TEXT_REFUSED)
def test_more_than_one_text_is_refused(more: dict[str, Any]) -> None:
    assert not may_continue({**PROSE, **more}, COMPLETIONS)


def test_other_routes_are_refused() -> None:
    assert not may_continue({**PROSE, "input": "x"}, b"/v1/responses")


@pytest.mark.parametrize(
    ("fields", "sampled"),
    [({}, True), ({"temperature": None}, True), ({"temperature": 1}, True), ({"temperature": 0}, False)],
)
def test_only_temperature_0_says_the_same_again(fields: dict[str, Any], sampled: bool) -> None:
    assert is_sampled(fields) == sampled


@pytest.mark.parametrize(
    ("stop", "chars"), [(None, 0), ([], 0), ("", 0), ("a", 0), ("abc", 2), (["ab", "wxyz"], 3)]
)  # fmt: skip
def test_text_is_held_back_for_the_longest_stop_string(stop: object, chars: int) -> None:
    assert held_chars({"stop": stop}) == chars


@pytest.mark.parametrize(
    ("path", "fields", "limit"),
    [
        (CHAT, {}, None),
        (CHAT, {"max_tokens": 5}, 5),
        (CHAT, {"max_tokens": 5, "max_completion_tokens": 7}, 7),
        (COMPLETIONS, {}, 16),
        (COMPLETIONS, {"max_tokens": None}, None),
        (COMPLETIONS, {"max_tokens": 5}, 5),
    ],
)
def test_the_limit_is_the_route_s(path: bytes, fields: dict[str, Any], limit: int | None) -> None:
    assert answer_tokens(fields, path) == limit


def test_the_rest_is_asked_with_what_is_left_of_the_limits() -> None:
    fields = {
        **TALK,
        "temperature": 0,
        "max_tokens": 9,
        "min_tokens": 4,
        "stop": ["a"],
        "top_k": 3,
        "reasoning_effort": "low",
    }
    assert completion_fields(fields, CHAT, "served", [1, 2], [5, 6, 7]) == {
        "model": "served",
        "prompt": [1, 2, 5, 6, 7],
        "max_tokens": 6,
        "min_tokens": 1,
        "temperature": 0,
        "stop": ["a"],
        "top_k": 3,
        "stream": True,
        "stream_options": {"include_usage": True},
        "return_token_ids": True,
    }


def test_as_much_as_fits_stays_as_much_as_fits() -> None:
    asked = completion_fields(TALK, CHAT, "m", [1], [2])
    assert (asked["max_tokens"], asked["min_tokens"]) == (None, 0)
