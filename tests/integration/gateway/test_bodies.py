"""Bodies that two readers could take differently, or that ask for what no client may have."""

from __future__ import annotations

import contextlib
import gzip
from typing import Any

import orjson
import pytest
from tests.integration.gateway.raw import BODY, CHAT, FIELDS, Raw, exchange, head, resident_bytes

from forebay.testing.fake_engine import FakeEngine
from forebay.testing.worker import GatewayWorker

MESSAGES = '"messages":[{"role":"user","content":"hi"}]'


def body(extra: str, model: str = '"model":"m"') -> bytes:
    return f"{{{model},{MESSAGES}{extra}}}".encode()


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


INVALID_JSON = {
    "model twice": body(',"model":"other"'),
    "messages twice": body(',"messages":[]'),
    "stream twice": body(',"stream":false,"stream":true'),
    "model twice by escape": body(',"\\u006dodel":"other"'),
    "NaN": body(',"temperature":NaN'),
    "Infinity": body(',"temperature":Infinity'),
    "1e999": body(',"temperature":1e999'),
    "5,000 digits": body(',"seed":' + "1" * 5000),
    "-0": body(',"seed":-0'),
    "2^64": body(',"seed":18446744073709551616'),
    "invalid utf-8": body(',"user":"').replace(b'"}', b'\xff"}') + b'"}',
    "lone surrogate": body(',"user":"\\ud800"'),
    "byte order mark": b"\xef\xbb\xbf" + BODY,
    "utf-16": BODY.decode().encode("utf-16"),
    "NUL": body(',"user":"a\\u0000b"'),
    "trailing bytes": BODY + b"{}",
    "trailing NUL": BODY + b"\x00",
    "nested 300 deep": body(f',"messages_":{nested(300)}'),
    "nested 300 deep in a message": BODY.replace(b'"hi"', nested(300).encode()),
    "nested 100,000 deep": b'{"a":' + b"[" * 100_000,
    "no object": b"[]",
    "nothing": b"",
    "form": b"model=m",
}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("case", INVALID_JSON)
def test_json_that_is_not_one_thing_to_every_reader_is_refused(worker: GatewayWorker, case: str) -> None:
    with Raw(worker) as raw:
        answer = raw.call(INVALID_JSON[case]).answer()
        assert (answer.status, answer.code) == (400, "invalid_json")
        raw.send(head("GET", "/health"))  # the frame was whole: the connection goes on
        assert raw.answer().status == 200


FIELD: list[tuple[str, Any, str]] = [
    ("n", 10**9, "invalid_value"),
    ("n", 0, "invalid_value"),
    ("max_tokens", -1, "invalid_value"),
    ("max_tokens", 10**18, "invalid_value"),
    ("max_tokens", 4097, "context_exceeded"),
    ("max_completion_tokens", 4097, "context_exceeded"),
    ("logprobs", 5, "invalid_value"),
    ("top_logprobs", 21, "invalid_value"),
    ("best_of", 2, "unknown_field"),
    ("stop", ["x"] * 10_000, "invalid_value"),
    ("guided_regex", "(a+)+$", "unknown_field"),
    ("guided_grammar", "root ::= root", "unknown_field"),
    ("logit_bias", {str(n): 1 for n in range(100_000)}, "invalid_value"),
    ("response_format", {"a": orjson.loads('{"a":' * 40 + "1" + "}" * 40)}, "invalid_value"),
    ("messages", [], "invalid_value"),
    ("messages", None, "missing_field"),
    ("messages", [{"role": "user"}] * 20_000, "invalid_value"),
    ("model", None, "missing_field"),
    ("model", 1, "invalid_value"),
    ("stream", "yes", "invalid_value"),
    ("cache_salt", "x", "unknown_field"),
    ("priority", -1, "unknown_field"),
    ("kv_transfer_params", {}, "unknown_field"),
    ("prompt_embeds", "x", "unknown_field"),
    ("mm_processor_kwargs", {}, "unknown_field"),
    ("chat_template", "{{ x }}", "unknown_field"),
    ("documents", [], "unknown_field"),
    ("lora_path", "/etc", "unknown_field"),
    ("vllm_xargs", {}, "unknown_field"),
    ("request_id", "x", "unknown_field"),
]


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(("field", "value", "code"), FIELD, ids=lambda value: str(value)[:20])
def test_a_field_out_of_bounds_or_not_for_clients_is_refused(
    worker: GatewayWorker, field: str, value: object, code: str
) -> None:
    status, answer = worker.post({**FIELDS, field: value})
    error = orjson.loads(answer)["error"]
    assert (status, error["code"], error["param"]) == (400, code, field)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("model", ["other", "M", " m", "m\n", "../m", "m" * 128])
def test_a_model_that_does_not_exist_is_not_found(worker: GatewayWorker, model: str) -> None:
    status, answer = worker.post({**FIELDS, "model": model})
    assert (status, orjson.loads(answer)["error"]["code"]) == (404, "model_not_found")


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "header",
    [
        "Content-Type: text/plain", "Content-Type: multipart/form-data; boundary=x", "Content-Type:",
        "Content-Type: application/x-www-form-urlencoded", "Content-Type: application/json; charset=utf-7",
        "Content-Type: application/json; charset=utf-16", "Content-Type: application/json, text/plain",
        "Content-Encoding: gzip", "Content-Encoding: br", "Content-Encoding: deflate, gzip",
    ],
)  # fmt: skip
def test_only_plain_json_in_utf_8_is_taken(worker: GatewayWorker, header: str) -> None:
    request = (
        f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {worker.key}\r\nContent-Length: {len(BODY)}\r\n"
        f"{header}\r\n{'' if 'Type' in header else 'Content-Type: application/json' + chr(13) + chr(10)}\r\n"
    )
    answer = exchange(worker, request.encode() + BODY)
    assert (answer.status, answer.code) == (415, "unsupported_media_type")


@pytest.mark.usefixtures("untouched")
def test_a_body_that_is_too_large_is_refused_before_it_is_read(worker: GatewayWorker) -> None:
    before = resident_bytes(worker)
    for header in ("Content-Length: 67108864", "Transfer-Encoding: chunked"):
        with Raw(worker) as raw:
            raw.send(head("POST", CHAT, f"Authorization: Bearer {worker.key}", header))
            if "chunked" in header:
                with contextlib.suppress(ConnectionError):  # it may be refused and closed while we still send
                    raw.send(*[b"100000\r\n" + b"a" * 0x100000 + b"\r\n"] * 5)
            answer = raw.answer()
            assert (answer.status, answer.code) == (413, "body_too_large")
            assert raw.is_closed()
    assert resident_bytes(worker) - before < 64 * 1024 * 1024


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "large",
    [
        b'{"a":[' + b"1," * 1_000_000 + b"1]}",
        b"{" + b",".join(b'"k%d":1' % n for n in range(300_000)) + b"}",
        gzip.compress(b"a" * 4_000_000),
    ],
    ids=["a million elements", "300,000 keys", "gzip without saying so"],
)
def test_a_large_body_is_refused_as_a_small_one(worker: GatewayWorker, large: bytes) -> None:
    status, answer = worker.post(large)
    assert status == 400
    assert orjson.loads(answer)["error"]["code"] in {"unknown_field", "invalid_json"}


SAME = {
    "canonical": (BODY, FIELDS),
    "spaced": (b" " + orjson.dumps(FIELDS, option=orjson.OPT_INDENT_2), FIELDS),
    "alias": (orjson.dumps({**FIELDS, "model": "gpt-alias"}), FIELDS),
    "escapes": (body(',"stop":"\\u00e9\\/"'), {**FIELDS, "stop": "é/"}),
    "platform's fields": (orjson.dumps({**FIELDS, "user": "u", "metadata": {"a": 1}}), FIELDS),
    "stream options without stream": (orjson.dumps({**FIELDS, "stream_options": {}}), FIELDS),
    "stream": (
        orjson.dumps({**FIELDS, "stream": True}),
        {**FIELDS, "stream": True, "stream_options": {"include_usage": True}},
    ),
}


@pytest.mark.parametrize("case", SAME)
def test_the_engine_gets_what_the_policy_saw(worker: GatewayWorker, engine: FakeEngine, case: str) -> None:
    sent, wanted = SAME[case]
    assert worker.post(sent)[0] == 200
    seen = engine.seen[-1]
    assert seen.fields == wanted
    assert orjson.dumps(seen.fields) == seen.body


def test_the_engine_gets_no_header_of_the_client(worker: GatewayWorker, engine: FakeEngine) -> None:
    secret = {
        "cookie": "canary=1",
        "x-anything": "canary",
        "x-request-id": "request-1234",
        "x-forwarded-for": "9.9.9.9",
    }
    assert worker.post(FIELDS, **secret)[0] == 200
    seen = engine.seen[-1].head.lower()
    assert b"x-request-id: request-1234\r\n" in seen
    assert b"canary" not in seen
    assert b"9.9.9.9" not in seen
    assert b"authorization" not in seen
