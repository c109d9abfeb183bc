"""Which calls are the same call: what must share a key, what must never, and what may be reused at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.reuse.identity import is_deterministic, key_of, may_be_reused

HARD = ("v1", "acme", "/v1/chat/completions", "m")
ASKED: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": 0}


def key(hard: tuple[str, ...] = HARD, pepper: str = "pepper", **fields: Any) -> bytes:
    return key_of(hard, ASKED | fields, pepper)


@pytest.mark.parametrize(
    "fields",
    [
        {"temperature": 0.0},
        {"n": 1},
        {"n": None},
        {"stream": True},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"presence_penalty": 0, "frequency_penalty": 0.0},
        {"stop": None},
        {"stop": []},
        {"tools": []},
        {"logprobs": False},
        {"messages": [{"content": "hi", "role": "user"}]},
    ],
)
def test_what_makes_no_difference_shares_a_key(fields: dict[str, Any]) -> None:
    assert key(**fields) == key()


def test_two_names_for_one_limit_share_a_key() -> None:
    assert key(max_tokens=5) == key(max_completion_tokens=5)
    assert key(stop="x") == key(stop=["x"])


@pytest.mark.parametrize(
    "fields",
    [
        {"model": "m:adapter"},
        {"temperature": 0.1},
        {"top_p": 1},  # a model's generation config may say otherwise where it is left out
        {"top_k": 1},
        {"seed": 0},
        {"seed": 1},
        {"max_tokens": 5},
        {"max_tokens": 5, "max_completion_tokens": 7},
        {"stop": "x"},
        {"logit_bias": {"1": 5}},
        {"response_format": {"type": "json_object"}},
        {"chat_template_kwargs": {"enable_thinking": False}},
        {"reasoning_effort": "low"},
        {"logprobs": True},
        {"messages": [{"role": "user", "content": "hi "}]},
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [{"role": "system", "content": "hi"}]},
        {"messages": [{"role": "user", "name": "a", "content": "hi"}]},
        {"messages": [{"role": "user", "content": "h"}, {"role": "user", "content": "i"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
    ],
    ids=str,
)
def test_what_makes_a_difference_does_not(fields: dict[str, Any]) -> None:
    assert key(**fields) != key()


@pytest.mark.parametrize("part", range(len(HARD)))
def test_every_hard_part_counts(part: int) -> None:
    other = (*HARD[:part], "other", *HARD[part + 1 :])
    assert key(other) != key()
    assert key(pepper="other") != key()


hard = st.tuples(*[st.text(max_size=6)] * 4)


@given(hard, hard, st.text(max_size=6))
def test_two_tenants_never_share_a_key_whatever_their_names_hold(
    one: tuple[str, ...], other: tuple[str, ...], text: str
) -> None:
    fields = {"model": "m", "prompt": text}
    assert (key_of(one, fields, "p") == key_of(other, fields, "p")) == (one == other)


@pytest.mark.parametrize(
    ("fields", "deterministic"),
    [
        ({}, False),
        ({"temperature": None}, False),
        ({"temperature": 0}, True),
        ({"temperature": 0.0}, True),
        ({"temperature": 1}, False),
        ({"temperature": 1, "seed": 0}, True),
        ({"seed": None}, False),
    ],
)
def test_temperature_0_or_a_seed_is_deterministic(fields: dict[str, Any], deterministic: bool) -> None:
    assert is_deterministic(fields) is deterministic


def content(*parts: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("fields", "allowed"),
    [
        ({}, True),
        ({"n": 1}, True),
        ({"n": 2}, False),
        ({"tools": []}, True),
        ({"tools": [{"type": "function"}]}, False),
        (content({"type": "text", "text": "x"}), True),
        (content({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}), True),
        (content({"type": "image_url", "image_url": {"url": "https://a/b.png"}}), False),
        (content({"type": "image_url"}), False),
        (content({"type": "video_url", "video_url": {"url": "https://a/b"}}), False),
        (content("text"), False),
    ],
    ids=str,
)
def test_one_choice_without_tools_and_nothing_from_elsewhere(fields: dict[str, Any], allowed: bool) -> None:
    assert may_be_reused(fields) is allowed
