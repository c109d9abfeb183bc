"""An engine's refusal becomes one of ours: never an engine's credential, never its insides."""

from __future__ import annotations

import orjson
import pytest

from forebay.gateway.answer import WholeAnswer
from forebay.gateway.engine_faults import refusal_of


def answered(status: int, body: bytes | None = None, retry_after: bytes = b"") -> WholeAnswer:
    told = orjson.dumps({"error": {"message": "top_k is too large", "param": "top_k"}})
    return WholeAnswer(status, b"application/json", retry_after, told if body is None else body)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, None, "engine_refused"),
        (400, b'{"error":{"message":"maximum context length is 1024"}}', "context_exceeded"),
        (413, None, "engine_refused"),
        (422, b'{"detail":[{"loc":["body"]}]}', "engine_refused"),
        (404, b'{"detail":"Not Found"}', "not_supported"),
        (405, b'{"detail":"Method Not Allowed"}', "not_supported"),
        (404, None, "engine_refused"),
        (401, None, "engine_error"),
        (403, None, "engine_error"),
        (418, None, "engine_error"),
        (429, None, "engine_busy"),
        (408, None, "engine_busy"),
    ],
)
def test_a_status_has_its_code(status: int, body: bytes | None, code: str) -> None:
    refusal = refusal_of(answered(status, body), "m", "/v1/embeddings")
    assert refusal.code == code
    assert (refusal.param == "top_k") is (code == "engine_refused" and body is None)


@pytest.mark.parametrize(
    ("said", "wait_s"), [(b"7", 7), (b"", 1), (b"99999", 600), (b"999999", 1), (b"-1", 1), (b"Wed, 21 Oct", 1)]
)
def test_how_long_to_wait_is_the_engines_word_within_bounds(said: bytes, wait_s: int) -> None:
    assert refusal_of(answered(429, retry_after=said), "m", "/v1/score").retry_after_s == wait_s
