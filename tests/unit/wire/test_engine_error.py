"""An engine's refusal loses its insides and its length, and nothing else."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.wire.engine_error import engine_says


def told(message: str) -> str:
    return engine_says(orjson.dumps({"error": {"message": message, "type": "BadRequestError", "code": 400}})).message


def test_the_shapes_that_engines_use_are_read() -> None:
    assert told("max_tokens is too large") == "max_tokens is too large"
    old = engine_says(b'{"object":"error","message":"no","type":"BadRequestError","param":null,"code":400}')
    assert (old.message, old.known) == ("no", True)
    assert engine_says(b'{"type":"error","error":{"type":"invalid","message":"no"}}').message == "no"
    assert engine_says(b'{"error":{"message":"no","param":"top_k"}}').param == "top_k"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b'{"detail":"Not Found"}', b'{"error":{"message":7}}', b"[1]", b'{"error":"\x87"}']
)
def test_what_is_no_refusal_says_nothing(body: bytes) -> None:
    said = engine_says(body)
    assert (said.message, said.known) == ("The engine refused this request.", False)


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("see /opt/vllm/model/config.json for it", "see … for it"),
        ("use http://10.0.0.7:8000/v1 instead", "use … instead"),
        ("host 10.0.0.7:8000 says no", "host … says no"),
        ("got <class 'vllm.sampling_params.X'> here", "got … here"),
        ('no\nTraceback (most recent call last):\n  File "/a/b.py"', "no"),
        ("temperature must be 1/2 or and/or", "temperature must be 1/2 or and/or"),
        ("x" * 2000, "x" * 1000 + "…"),
    ],
)
def test_addresses_paths_and_traces_stay_inside(message: str, shown: str) -> None:
    assert told(message) == shown


@given(st.binary(max_size=200))
def test_whatever_an_engine_says_is_read(body: bytes) -> None:
    assert 0 < len(engine_says(body).message) <= 1001
