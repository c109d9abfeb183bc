"""Requests whose framing could be read in two ways: refused with one answer, then the connection is closed."""

from __future__ import annotations

import contextlib

import pytest
from tests.integration.gateway.raw import BODY, CHAT, Answer, Raw, exchange, head

from forebay.testing.worker import GatewayWorker

pytestmark = pytest.mark.usefixtures("untouched")


def post(*headers: str, body: bytes = BODY) -> bytes:
    return head("POST", CHAT, *headers) + body


LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
SMUGGLED = b"0\r\n\r\nPOST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n\r\n"
LINE = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"

BROKEN = {
    "length and chunked": (post(LENGTH, CHUNKED), 400, "ambiguous_length"),
    "chunked and length": (post(CHUNKED, "Content-Length: 5", body=SMUGGLED), 400, "ambiguous_length"),
    "xchunked": (post("Transfer-Encoding: xchunked"), 501, "unknown_transfer_encoding"),
    "chunked, identity": (post("Transfer-Encoding: chunked, identity"), 501, "unknown_transfer_encoding"),
    "chunked twice": (post(CHUNKED, CHUNKED, body=SMUGGLED), 400, "duplicate_header"),
    "space before colon": (post("Transfer-Encoding : chunked", body=SMUGGLED), 400, "bad_header"),
    "vertical tab": (post("Transfer-Encoding: \x0bchunked", body=SMUGGLED), 400, "bad_header"),
    "chunked in HTTP/1.0": (
        post(CHUNKED, body=SMUGGLED).replace(b"HTTP/1.1", b"HTTP/1.0", 1), 400, "ambiguous_length"),
    "length twice alike": (post(LENGTH, LENGTH), 400, "duplicate_header"),
    "length twice": (post(LENGTH, "Content-Length: 1"), 400, "duplicate_header"),
    "length as a list": (post("Content-Length: 3, 3"), 400, "bad_content_length"),
    "length +3": (post("Content-Length: +3"), 400, "bad_content_length"),
    "length -1": (post("Content-Length: -1"), 400, "bad_content_length"),
    "length 0x3": (post("Content-Length: 0x3"), 400, "bad_content_length"),
    "length 10^23": (post("Content-Length: 1" + "0" * 23), 400, "bad_content_length"),
    "length 10^17": (post("Content-Length: 1" + "0" * 17), 413, "body_too_large"),
    "bare LF block": (post(LENGTH).replace(b"\r\n", b"\n"), 400, "bad_request_line"),
    "bare LF in headers": (LINE + b"X: a\nContent-Length: 5\r\n\r\n", 400, "bad_header"),
    "bare CR in headers": (LINE + b"X: a\rContent-Length: 5\r\n\r\n", 400, "bad_header"),
    "obs-fold": (LINE + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + SMUGGLED, 400, "bad_header"),
    "NUL": (LINE + b"X: a\x00b\r\n\r\n", 400, "bad_header"),
    "absolute form": (head("GET", "http://evil/v1/models"), 400, "bad_request_line"),
    "CONNECT": (head("CONNECT", "evil:443"), 400, "bad_request_line"),
    "OPTIONS *": (head("OPTIONS", "*"), 400, "bad_request_line"),
    "method override": (post(LENGTH, "X-HTTP-Method-Override: DELETE"), 400, "method_override"),
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", 400, "missing_host"),
    "two hosts": (head("GET", "/health", "Host: b"), 400, "duplicate_header"),
    "host with a path": (b"GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, "bad_host"),
    "lower case method": (head("get", "/health"), 400, "bad_request_line"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request_line"),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, "bad_request_line"),
    "raw utf-8 target": ("GET /ü HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 400, "bad_request_line"),
    "NUL in target": (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request_line"),
    "overlong utf-8": (b"GET /\xc0\xae HTTP/1.1\r\nHost: a\r\n\r\n", 400, "bad_request_line"),
    "fragment": (head("GET", "/health#x"), 400, "bad_target"),
    "100 KB header": (head("GET", "/health", "X: " + "a" * 100_000), 431, "headers_too_large"),
    "1,000 headers": (head("GET", "/health", *["X: a"] * 1000), 431, "headers_too_large"),
    "1 MB target": (head("GET", "/" + "a" * 1_000_000), 414, "target_too_long"),
    "body on GET": (head("GET", "/health", "Content-Length: 5") + b"hello", 400, "unexpected_body"),
    "chunked GET": (head("GET", "/health", CHUNKED) + b"0\r\n\r\n", 400, "unexpected_body"),
    "expectation": (post(LENGTH, "Expect: the-unexpected"), 417, "expectation_failed"),
    "bad chunk size": (post(CHUNKED, body=b"zz\r\n"), 400, "bad_chunk"),
    "chunk extension": (post(CHUNKED, body=b"5;a=b\r\nhello\r\n"), 400, "bad_chunk"),
    "chunk longer than said": (post(CHUNKED, body=b"1\r\nhello\r\n"), 400, "bad_chunk"),
    "chunk ended by LF": (post(CHUNKED, body=b"1\r\na\n"), 400, "bad_chunk"),
    "trailer": (post(CHUNKED, body=b"0\r\nContent-Length: 5\r\n\r\n"), 400, "bad_chunk"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_frame_is_refused_and_closes_the_connection(worker: GatewayWorker, case: str) -> None:
    sent, status, code = BROKEN[case]
    behind = head("GET", "/health")
    with Raw(worker) as raw:
        with contextlib.suppress(ConnectionError):  # it may close while we still send
            raw.send(sent, behind)
        answer = raw.answer()
        assert (answer.status, answer.code) == (status, code)
        assert answer.headers["connection"] == "close"
        assert raw.is_closed()


def test_a_request_hidden_in_a_body_stays_a_body(worker: GatewayWorker) -> None:
    hidden = head("GET", "/health")
    with Raw(worker) as raw:
        raw.call(hidden)
        assert raw.answer().code == "invalid_json"
        raw.send(head("GET", "/v1/nothing"))
        assert raw.answer().code == "not_found"


PATHS = [
    "/", "//v1/models", "/v1//models", "/%2e%2e/v1/models", "/v1/..;/v1/models", "/v1%2fmodels", "/v1/models%00",
    "/v1/models/", "/v1/models.", "/v1/Models", "/V1/models", "/v1/./models", "/v1/%6dodels", "/v1/%256dodels",
    "/v1/models;x", "/v1/models\\", "/metrics", "/docs", "/invocations", "/tokenize", "/collective_rpc", "/sleep",
    "/reset_prefix_cache", "/start_profile", "/v1/load_lora_adapter", "/v1/Embeddings", "/admin", "/version",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_other_spelling_of_a_path_exists(worker: GatewayWorker, method: str, path: str) -> None:
    answer = exchange(worker, head(method, path, f"Authorization: Bearer {worker.key}"))
    assert (answer.status, answer.code) == (404, "not_found")


METHODS: list[tuple[str, str, str]] = [
    ("GET", CHAT, "POST"),
    ("DELETE", CHAT, "POST"),
    ("HEAD", CHAT, "POST"),
    ("OPTIONS", CHAT, "POST"),
    ("TRACE", "/v1/models", "GET"),
    ("POST", "/v1/models", "GET"),
    ("HEAD", "/v1/models", "GET"),
    ("POST", "/health", "GET"),
    ("BREW", "/health", "GET"),
]


@pytest.mark.parametrize(("method", "path", "allowed"), METHODS)
def test_a_route_has_one_method(worker: GatewayWorker, method: str, path: str, allowed: str) -> None:
    with Raw(worker) as raw:
        raw.send(head(method, path))
        answer = raw.answer(bodiless=method == "HEAD")
    assert (answer.status, answer.headers["allow"]) == (405, allowed)


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_upgrade_is_not_taken(worker: GatewayWorker, protocol: str) -> None:
    answer: Answer = exchange(worker, head("GET", "/health", "Connection: Upgrade", f"Upgrade: {protocol}"))
    assert answer.status == 200
    assert "upgrade" not in answer.headers


def test_a_query_is_no_part_of_the_route(worker: GatewayWorker) -> None:
    assert exchange(worker, head("GET", "/health?path=/admin&%00")).status == 200
