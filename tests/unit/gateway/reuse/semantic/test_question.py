"""Which calls are compared at all, and which may be compared with one another."""

from __future__ import annotations

from typing import Any

import pytest

from forebay.gateway.reuse.identity import CHAT, COMPLETIONS
from forebay.gateway.reuse.semantic.question import Question, question_of

RESET = "How do I reset my password?"
OTHERWISE = "How can I reset my password?"
HARD = ("v1", "t1", CHAT, "m")


def asked(text: str, hard: tuple[str, ...] = HARD, **fields: Any) -> Question | str:
    messages = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": text}]
    return question_of(hard, hard[2], {"model": "m", "messages": messages, "temperature": 0} | fields, "pepper")


def group(text: str, hard: tuple[str, ...] = HARD, **fields: Any) -> bytes:
    found = asked(text, hard, **fields)
    assert isinstance(found, Question)
    return found.group


def test_other_words_are_one_group_and_another_question_is_not() -> None:
    assert group(RESET) == group(OTHERWISE) == group(OTHERWISE, stream=True, stream_options={"include_usage": True})
    assert group(RESET) != group("How do I reset my phone?")


@pytest.mark.parametrize("part", range(4))
def test_version_tenant_route_and_model_part_groups(part: int) -> None:
    other = list(HARD)
    other[part] = CHAT if part == 2 else "other"
    if part == 2:
        assert asked(RESET, ("v1", "t1", COMPLETIONS, "m")) == "shape"
    else:
        assert group(RESET) != group(OTHERWISE, tuple(other))


@pytest.mark.parametrize(
    "fields", [{"max_tokens": 5}, {"top_p": 0.5}, {"seed": 1}, {"stop": ["x"]}, {"temperature": 0.5}, {"user": "anna"}]
)
def test_every_parameter_parts_groups(fields: dict[str, Any]) -> None:
    assert group(RESET) != group(OTHERWISE, **fields)


def test_the_conversation_before_parts_groups() -> None:
    def after(*before: str) -> bytes:
        history = [
            {"role": "user" if turn % 2 == 0 else "assistant", "content": text} for turn, text in enumerate(before)
        ]
        return group(RESET, messages=[*history, {"role": "user", "content": RESET}])

    assert len({group(RESET), after(), after("Hi", "Hello"), after("Hi", "Hello."), after("Hello", "Hi")}) == 5


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"logprobs": True},
        {"logit_bias": {"5": 1}},
        {"chat_template_kwargs": {"x": 1}},
        {"structured_outputs": {"regex": "a"}},
        {"anything_new": 1},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": RESET}]}]},
        {"messages": [{"role": "user", "content": RESET, "name": "anna"}]},
        {"messages": [{"role": "user", "content": RESET}, {"role": "assistant", "content": RESET}]},
        {"messages": [{"role": "assistant", "content": None}, {"role": "user", "content": RESET}]},
    ],
)
def test_a_call_that_wants_more_than_words_is_never_compared(fields: dict[str, Any]) -> None:
    assert asked(RESET, **fields) == "shape"


def test_what_a_history_says_is_no_word_of_the_question() -> None:
    """A message's words as a list are no text that somebody can send."""
    first = [{"role": "user", "content": "reset password"}, {"role": "user", "content": RESET}]
    other = [{"role": "user", "content": RESET}, {"role": "user", "content": "How do I reset the password?"}]
    assert group(RESET, messages=first) != group(RESET, messages=other)
