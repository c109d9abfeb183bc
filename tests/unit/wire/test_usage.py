"""Token counts out of what an engine says, whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.wire.usage import usage_in


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (b'{"usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10}}', (7, 3)),
        (b'{"choices":[{"text":"x"}],"usage":{"prompt_tokens":7}}', (7, 0)),
        (b'{ "usage" : { "prompt_tokens" : 0 , "completion_tokens" : 0 } }', (0, 0)),
        (b'{"usage":null}', None),
        (b'{"usage":{}}', None),
        (b'{"choices":[]}', None),
        (b"[DONE]", None),
        (b"", None),
        (b'{"usage":{"prompt_tokens":"7"}}', None),
        (b'{"usage":{"prompt_tokens":7.5}}', None),
        (b'{"usage":{"prompt_tokens":-1}}', None),
        (b'{"usage":{"prompt_tokens":1,"completion_tokens":-1}}', None),
        (b'{"usage":{"prompt_tokens":' + b"9" * 30 + b"}}", None),
        (b'{"a":' + b"[" * 100_000, None),
        (b'{"a":"\xff"}', None),
        (b'{"\xff":1}', None),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_counts_are_read_or_there_are_none(payload: bytes, wanted: tuple[int, int] | None) -> None:
    assert usage_in(payload) == wanted


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_it_raise(payload: bytes) -> None:
    usage_in(payload)
    usage_in(b'{"usage":' + payload + b"}")
