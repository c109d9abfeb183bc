"""An answer says the same in both its forms; what is not understood is not converted."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.testing.fake_engine import completion, delta
from forebay.wire.replay import CannotReplay, check_events, check_whole, events_of, whole_of, with_usage
from forebay.wire.sse import data_of, event, events

DONE = b"data: [DONE]\n\n"
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}


def chunk(piece: dict[str, Any] | None = None, **fields: Any) -> bytes:
    choices = [{"index": 0, "delta": piece or {}, "logprobs": None, "finish_reason": None, **fields}]
    return event(orjson.dumps({"id": "i", "object": "chat.completion.chunk", "created": 1, "choices": choices}))


LAST = chunk(finish_reason="stop")


def parsed(payload: bytes) -> list[dict[str, Any]]:
    return [orjson.loads(data) for each in events(payload) if (data := data_of(each)) != b"[DONE]"]


@given(st.lists(st.text(max_size=5), min_size=1, max_size=8), st.booleans())
def test_a_stream_made_whole_and_streamed_again_says_the_same(pieces: list[str], usage_asked: bool) -> None:
    told = event(orjson.dumps({"choices": [], "usage": USAGE})) if usage_asked else b""
    stream = b"".join(chunk({"content": piece}) for piece in pieces) + LAST + told + DONE
    kept, usage = check_events(stream)
    assert b'"usage"' not in kept
    whole = orjson.loads(whole_of(kept, usage))
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "".join(pieces)}
    assert whole["choices"][0]["finish_reason"] == "stop"
    assert whole.get("usage") == (USAGE if usage_asked else None)
    again = whole_of(*check_events(with_usage(events_of(orjson.dumps(whole)), usage)))
    assert orjson.loads(again) == whole


def test_completions_are_text() -> None:
    choice = {"index": 0, "text": "Paris", "finish_reason": "length", "stop_reason": None, "logprobs": None}
    body = orjson.dumps({"id": "i", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]})
    streamed = events_of(body)
    assert [each["object"] for each in parsed(streamed)] == ["text_completion"] * 2
    assert orjson.loads(whole_of(streamed, b""))["choices"][0]["text"] == "Paris"


def test_reasoning_comes_before_the_answer() -> None:
    stream = chunk({"role": "assistant"}) + chunk({"reasoning_content": "hm"}) + chunk({"content": "4"}) + LAST + DONE
    whole = orjson.loads(whole_of(stream, b""))
    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "4", "reasoning_content": "hm"}
    deltas = [each["choices"][0]["delta"] for each in parsed(events_of(orjson.dumps(whole)))]
    assert deltas == [{"role": "assistant", "content": ""}, {"reasoning_content": "hm"}, {"content": "4"}, {}]


def test_a_usage_event_stands_before_the_end_and_bears_the_same_names() -> None:
    told = with_usage(LAST + DONE, orjson.dumps(USAGE))
    assert told.endswith(DONE)
    assert parsed(told)[-1] == {
        "id": "i",
        "created": 1,
        "object": "chat.completion.chunk",
        "choices": [],
        "usage": USAGE,
    }


@pytest.mark.parametrize(
    "stream",
    [
        b"",
        DONE,
        LAST,
        chunk({"content": "cut"}) + DONE,
        chunk(finish_reason="abort") + DONE,
        LAST + event(b'{"error":{"message":"no"}}') + DONE,
        LAST + event(b"not json") + DONE,
    ],
)
def test_a_stream_that_did_not_end_well_is_not_given_again(stream: bytes) -> None:
    with pytest.raises(CannotReplay):
        check_events(stream)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'{"error":{"message":"no"}}',
        completion("x").replace(b'"stop"', b'"abort"'),
        completion("x").replace(b'"stop"', b'"tool_calls"'),
        completion("x").replace(b'"stop"', b"null"),
        completion("x").replace(b'"choices":[', b'"choices":[{},'),
    ],
)
def test_a_whole_answer_that_did_not_end_well_is_not_given_again(body: bytes) -> None:
    with pytest.raises(CannotReplay):
        check_whole(body)


@pytest.mark.parametrize(
    "piece",
    [
        {"tool_calls": [{"index": 0}]},
        {"content": 1},
        {"audio": {"id": "a"}},
    ],
)
def test_a_delta_that_is_more_than_text_is_not_made_whole(piece: dict[str, Any]) -> None:
    with pytest.raises(CannotReplay):
        whole_of(chunk(piece) + LAST, b"")


def test_log_probabilities_of_a_stream_are_not_gathered() -> None:
    with pytest.raises(CannotReplay):
        whole_of(chunk({"content": "x"}, logprobs={"content": []}) + LAST, b"")


def test_the_fake_engine_speaks_as_real_ones_do() -> None:
    assert check_whole(completion("x"))
    assert parsed(event(delta("x")))[0]["choices"][0]["delta"] == {"content": "x"}
