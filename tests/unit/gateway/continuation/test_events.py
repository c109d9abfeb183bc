"""What is read of an engine's event, and what is left alone."""

from __future__ import annotations

import pytest

from forebay.gateway.continuation.events import origin_of, read


@pytest.mark.parametrize(
    "whole",
    [
        b"data: [DONE]\n\n",
        b": ping\n\n",
        b"data: \n\n",
        b'data: {"choices":[{"text":"\x87"}]}\n\n',
        b'data: {"choices":' + b"[" * 100_000 + b"\n\n",
    ],
)
def test_what_is_no_event_of_a_completion_is_left_alone(whole: bytes) -> None:
    assert read(whole) is None


def test_an_answer_s_origin_is_text() -> None:
    assert origin_of(b'data: {"id":"a","created":1,"model":"m"}\n\n') is not None
    assert origin_of(b'data: {"id":"\x87","created":1,"model":"m"}\n\n') is None
