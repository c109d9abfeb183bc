"""Claims about why an answer ended."""

from __future__ import annotations

import json

import pytest

from forebay.wire.finish import finish_in


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b'{"choices":[{"finish_reason":"stop"}]}', "stop"),
        (b'data: {"choices": [{"finish_reason": "length"}]}\n\ndata: {"usage":{}}\n\n', "length"),
        (b'{"choices":[{"finish_reason":null}]}', ""),
        (b'{"stop_reason":"max_tokens"}', "length"),
        (b'{"finish_reason":"repetition"}', "other"),
        (b'data: {"finish_reason":"length"}\n\ndata: {"finish_reason":"stop"}\n\n', "stop"),
        (b"", ""),
    ],
)
def test_the_last_reason_counts_in_openais_words(payload: bytes, expected: str) -> None:
    assert finish_in(payload) == expected


def test_an_answer_that_quotes_the_field_is_not_believed() -> None:
    quoted = json.dumps({"content": 'It says "finish_reason":"length" here.', "finish_reason": None}).encode()
    assert finish_in(quoted) == ""
