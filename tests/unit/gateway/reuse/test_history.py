"""A conversation is shortened by whole turns: a tool's result never stands without the call it answers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.reuse.history import estimated_tokens, trimmed

Message = dict[str, Any]


def say(role: str, text: str = "x" * 40, **fields: Any) -> Message:
    return {"role": role, "content": text, **fields}


CALL = {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}
RESULT = say("tool", tool_call_id="1")


def test_what_fits_is_the_same_list() -> None:
    messages = [say("user")]
    assert trimmed(messages, 14) is messages


def test_the_oldest_turns_leave_and_system_messages_stay() -> None:
    messages = [
        say("system"),
        say("user", "first " * 20),
        say("assistant"),
        say("user", "second"),
        say("assistant"),
        say("user", "third"),
    ]
    assert trimmed(messages, 60) == [messages[0], *messages[3:]]


def test_a_call_and_its_result_leave_together() -> None:
    messages = [say("user"), CALL, RESULT, say("assistant"), say("user", "now")]
    assert trimmed(messages, 30) == messages[4:]


def test_the_last_turn_stays_whatever_it_costs() -> None:
    messages = [say("user"), say("user", "x" * 4000), CALL, RESULT]
    assert trimmed(messages, 10) == messages[1:]


messages = st.lists(
    st.one_of(
        st.builds(say, st.sampled_from(["system", "user", "assistant", "developer"]), st.text(max_size=60)),
        st.just(CALL),
        st.just(RESULT),
    ),
    max_size=12,
)


@given(messages, st.integers(1, 120))
def test_what_leaves_is_whole_turns_from_the_front(given_messages: list[Message], budget: int) -> None:
    kept = trimmed(given_messages, budget)
    numbered = {id(message): index for index, message in enumerate(given_messages)}
    plain = [message for message in kept if message["role"] not in {"system", "developer"}]
    wanted = [message for message in given_messages if message["role"] not in {"system", "developer"}]
    assert [message["role"] for message in kept if message not in plain] == [
        message["role"] for message in given_messages if message["role"] in {"system", "developer"}
    ]
    assert plain == wanted[len(wanted) - len(plain) :]
    if len(plain) < len(wanted):
        assert plain[0]["role"] == "user"
        last = [index for index, message in enumerate(given_messages) if message["role"] == "user"][-1]
        over_budget = sum(map(estimated_tokens, kept)) > budget
        assert not over_budget or numbered[id(plain[0])] <= last


def test_the_estimate_takes_four_ascii_characters_or_one_other_for_a_token() -> None:
    assert estimated_tokens(say("user", "x" * 40)) == 4 + 10
    assert estimated_tokens(say("user", "法国的首都")) == 4 + 5
    assert estimated_tokens({"role": "user", "content": [{"type": "text", "text": "abcd"}, {"type": "image_url"}]}) == (
        4 + 1 + 1000
    )
