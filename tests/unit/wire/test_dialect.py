"""Each API's errors, ends of streams and token counts."""

from __future__ import annotations

import orjson
import pytest

from forebay.wire.dialect import ANTHROPIC, OPENAI, RESPONSES_API, Dialect, Fault
from forebay.wire.sse import data_of

FAULT = Fault(404, "invalid_request_error", "model_not_found", "There is none.", "model")
DONE = b"data: [DONE]\n\n"
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
COMPLETED = b'event: response.completed\ndata: {"type":"response.completed"}\n\n'
DELTA = b'event: content_block_delta\ndata: {"text":"event: message_stop\\n"}\n\n'


@pytest.mark.parametrize(
    ("dialect", "events", "complete"),
    [
        (OPENAI, DONE, True),
        (OPENAI, b"data: [DONE]\r\n\r\n", True),
        (OPENAI, b"data: {}\n\n" + DONE, True),
        (OPENAI, b"data: {}\n\n", False),
        (OPENAI, STOP, False),
        (ANTHROPIC, STOP, True),
        (ANTHROPIC, DELTA + STOP, True),
        (ANTHROPIC, STOP.replace(b"\n", b"\r\n"), True),
        (ANTHROPIC, STOP + DONE, True),
        (ANTHROPIC, DELTA, False),
        (ANTHROPIC, STOP + DELTA, False),
        (ANTHROPIC, STOP[:-1], False),
        (ANTHROPIC, b"", False),
        (RESPONSES_API, COMPLETED, True),
        (RESPONSES_API, COMPLETED.replace(b"completed", b"incomplete"), True),
        (RESPONSES_API, COMPLETED.replace(b"completed", b"failed"), True),
        (RESPONSES_API, COMPLETED.replace(b"completed", b"created"), False),
        (RESPONSES_API, b"data: " + COMPLETED, False),
    ],
)
def test_a_stream_is_complete_where_its_api_says_so(dialect: Dialect, events: bytes, complete: bool) -> None:
    assert dialect.is_complete(events) is complete


def test_openai_s_error() -> None:
    error = orjson.loads(OPENAI.error(FAULT))["error"]
    assert error == {"message": "There is none.", "type": FAULT.kind, "param": "model", "code": "model_not_found"}
    assert OPENAI.error_event(FAULT) == b"data: " + OPENAI.error(FAULT) + b"\n\n"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"), (401, "authentication_error"), (403, "permission_error"),
        (404, "not_found_error"), (405, "invalid_request_error"), (413, "request_too_large"),
        (429, "rate_limit_error"), (500, "api_error"), (502, "api_error"), (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)  # fmt: skip
def test_anthropic_s_error_has_the_kind_of_its_status(status: int, kind: str) -> None:
    fault = Fault(status, "server_error", "engine_lost", "It went away.")
    body = orjson.loads(ANTHROPIC.error(fault))
    assert (body["type"], body["error"]["type"], body["error"]["message"]) == ("error", kind, "It went away.")
    assert ANTHROPIC.error_event(fault).startswith(b"event: error\ndata: ")


def test_an_error_in_a_stream_of_responses_is_read_by_clients_of_either_kind() -> None:
    payload = orjson.loads(data_of(RESPONSES_API.error_event(FAULT)))
    assert (payload["type"], payload["code"], payload["error"]["code"]) == ("error", FAULT.code, FAULT.code)


def test_messages_are_counted_with_what_the_cache_held() -> None:
    counted = b'"input_tokens":1,"output_tokens":5,"cache_read_input_tokens":20,"cache_creation_input_tokens":null'
    whole = b'{"usage":{' + counted + b"}}"
    assert ANTHROPIC.usage(whole, None) == (21, 5)


def test_a_stream_of_messages_is_counted_over_its_events() -> None:
    begun = ANTHROPIC.usage(b'{"type":"message_start","message":{"usage":{"input_tokens":7,"output_tokens":0}}}', None)
    assert begun == (7, 0)
    assert ANTHROPIC.usage(b'{"type":"message_delta","usage":{"output_tokens":3}}', begun) == (7, 3)
    assert ANTHROPIC.usage(b'{"type":"message_delta","usage":{"input_tokens":8,"output_tokens":3}}', begun) == (8, 3)


def test_responses_are_counted_whole_and_in_their_last_event() -> None:
    usage = b'{"input_tokens":4,"output_tokens":2,"total_tokens":6}'
    assert RESPONSES_API.usage(b'{"usage":' + usage + b"}", None) == (4, 2)
    assert RESPONSES_API.usage(b'{"type":"response.completed","response":{"usage":' + usage + b"}}", None) == (4, 2)


@pytest.mark.parametrize("payload", [b"", b"{", b'{"usage":{"input_tokens":-1}}', b'{"usage":7}', b'{"message":"x"}'])
def test_counts_that_cannot_be_read_are_none(payload: bytes) -> None:
    assert RESPONSES_API.usage(payload, None) is None
