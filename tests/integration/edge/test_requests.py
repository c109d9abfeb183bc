"""Claims about what reaches the gateway, what the edge refuses, and how it answers then."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.integration.edge.conftest import LIMIT_BYTES
from tests.integration.edge.fake_gateway import FakeGateway
from tests.integration.edge.real_edge import Edge, until


def received(edge: Edge, target: str = "/echo", headers: dict[str, str] | None = None) -> dict[str, Any]:
    seen: dict[str, Any] = json.loads(edge.call("GET", target, headers=headers).body)
    return seen


def header(seen: dict[str, Any], name: str) -> list[str]:
    return [value for found, value in seen["headers"] if found == name]


@pytest.mark.parametrize(
    "target",
    ["/v1//models", "/a/./b/../c", "/a/%2e%2e/%2Fx", "/v1/..;/admin", "/x?a=b&c=%20//", "/*"],
)
def test_the_gateway_sees_the_target_as_it_was_sent(edge: Edge, target: str) -> None:
    assert received(edge, target)["target"] == target


def test_what_a_client_claims_about_earlier_hops_is_replaced(edge: Edge) -> None:
    claims = ("X-Forwarded-Host", "X-Forwarded-Port", "Forwarded", "X-Real-IP", "True-Client-IP", "Via")
    seen = received(edge, headers=dict.fromkeys((*claims, "X-Forwarded-For", "X-Forwarded-Proto"), "6.6.6.6"))
    assert header(seen, "x-forwarded-for") == ["127.0.0.1"]
    assert header(seen, "x-forwarded-proto") == ["https"]
    assert [value for name in claims for value in header(seen, name.lower())] == []


def test_host_and_authorization_pass_and_hop_headers_do_not(edge: Edge) -> None:
    seen = received(edge, headers={"Authorization": "Bearer k", "Connection": "keep-alive, x", "X_Odd": "1", "TE": "x"})
    assert header(seen, "host") == [f"localhost:{edge.https_port}"]
    assert header(seen, "authorization") == ["Bearer k"]
    assert [header(seen, name) for name in ("connection", "te", "x_odd", "upgrade", "accept-encoding")] == [[]] * 5


def test_the_gateway_learns_when_the_request_was_complete(edge: Edge) -> None:
    (stamp,) = header(received(edge), "x-request-start")
    assert re.fullmatch(r"t=\d{10}\.\d{3}", stamp)


def test_a_sound_request_id_is_kept_and_any_other_replaced(edge: Edge) -> None:
    assert header(received(edge, headers={"X-Request-Id": "abc-1.2_3"}), "x-request-id") == ["abc-1.2_3"]
    for unsound in ('abcdefg"h', "a b c d e", "x" * 65, "short", "ääääääää"):
        (made,) = header(received(edge, headers={"X-Request-Id": unsound}), "x-request-id")
        assert re.fullmatch(r"[0-9a-f]{32}", made)


def test_a_body_at_the_limit_passes_and_one_byte_more_is_413(edge: Edge, gateway: FakeGateway) -> None:
    assert json.loads(edge.call("POST", "/echo", b"x" * LIMIT_BYTES).body)["body_bytes"] == LIMIT_BYTES
    before = len(gateway.targets)
    refused = edge.announce("/echo", LIMIT_BYTES + 1)
    assert (refused.status, refused.error["code"]) == (413, "body_too_large")
    assert len(gateway.targets) == before


def test_a_chunked_body_has_the_same_limit(edge: Edge) -> None:
    pieces = [b"x" * 4096] * (LIMIT_BYTES // 4096)
    assert json.loads(edge.call("POST", "/echo", iter(pieces)).body)["body_bytes"] == LIMIT_BYTES
    # HAProxy cannot measure what is longer than its buffer: the gateway refuses it, at its own limit.
    longer = edge.call("POST", "/echo", iter([*pieces, b"x"]))
    assert longer.status == (413 if edge.kind == "nginx" else 200)


def test_a_body_in_the_smallest_chunks_stays_off_the_disk_too(edge: Edge) -> None:
    # Framing costs five bytes for each one here: the buffer fills long before the limit.
    head = b"POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = edge.raw(head + b"1\r\nx\r\n" * (LIMIT_BYTES // 4) + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert f'"body_bytes": {LIMIT_BYTES // 4}'.encode() in answer
    assert temporary_files(edge) == []


def test_prompts_never_touch_the_disk(edge: Edge) -> None:
    for _ in range(3):
        assert edge.call("POST", "/echo", b"x" * LIMIT_BYTES).status == 200
    assert temporary_files(edge) == []
    assert "temporary file" not in edge.log()


REFUSED = {
    "bad host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, "malformed_request"),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400, "malformed_request"),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed_request"),
    "no request line": (b"GARBAGE\r\n\r\n", 400, "malformed_request"),
    "above the root": (b"GET /../x HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_request"),
    "NUL in the path": (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "malformed_request"),
    "absolute form": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 400, "malformed_request"),
    "length and chunked": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
        "malformed_request",
    ),
    "two lengths": (
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        400,
        "malformed_request",
    ),
    "signed length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc", 400, "malformed_request"),
    "odd coding": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501, "not_implemented"),
    "folded header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400, "malformed_request"),
    "TRACE": (b"TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405, "method_not_allowed"),
    "CONNECT": (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405, "method_not_allowed"),
    "HTTP/3": (b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 505, "http_version"),
    "long header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431, "head_too_large"),
    "many headers": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 1000 + b"\r\n", 431, "head_too_large"),
    "long target": (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414, "target_too_long"),
    "pages are not for clients": (
        b"GET /.forebay-edge/502 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        404,
        "not_found",
    ),
}


# Where HAProxy differs: it answers what is not HTTP with a page of its own, which cannot be replaced …
PLAIN = {
    "bad host", "two hosts", "no request line", "absolute form", "signed length", "odd coding", "CONNECT",
    "many headers", "long target",
}  # fmt: skip
# … and some things it puts right instead of refusing them: the gateway gets one sound request.
PUT_RIGHT = {"above the root", "length and chunked", "two lengths", "folded header", "pages are not for clients"}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_edge_refuses_is_openai_shaped_and_reaches_no_gateway(
    edge: Edge, gateway: FakeGateway, name: str
) -> None:
    request, status, code = REFUSED[name]
    if edge.kind == "haproxy" and name in PUT_RIGHT:
        pytest.skip("HAProxy puts it right")
    before = len(gateway.targets)
    head, _, body = edge.raw(request).partition(b"\r\n\r\n")
    if edge.kind == "haproxy" and name in PLAIN:
        assert (head.split()[1], len(gateway.targets)) == (b"400", before)
        return
    assert int(head.split()[1]) == status
    assert b"content-type: application/json" in head.lower()
    assert b"x-request-id: " in head.lower()
    error = json.loads(body)["error"]
    assert (error["code"], error["param"], set(error)) == (code, None, {"message", "type", "param", "code"})
    assert b"nginx/" not in head + body
    assert len(gateway.targets) == before


@pytest.mark.parametrize("name", sorted(PUT_RIGHT))
def test_what_haproxy_puts_right_reaches_the_gateway_as_one_sound_request(
    edge: Edge, gateway: FakeGateway, name: str
) -> None:
    if edge.kind == "nginx":
        pytest.skip("nginx refuses it")
    request, _status, _code = REFUSED[name]
    before = len(gateway.targets)
    closing = request.replace(b"Host: a\r\n", b"Host: a\r\nConnection: close\r\n", 1)
    head, _, body = edge.raw(closing).partition(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    seen = json.loads(body)
    assert len(gateway.targets) == before + 1
    assert len(header(seen, "content-length") + header(seen, "transfer-encoding")) == (seen["method"] == "POST")
    assert all("\n" not in value for _name, value in seen["headers"])


@pytest.mark.parametrize("status", [400, 404, 413, 429, 500, 502, 503, 504])
def test_the_gateways_own_errors_pass_untouched_and_are_not_tried_again(
    edge: Edge, gateway: FakeGateway, status: int
) -> None:
    before = len(gateway.targets)
    answer = edge.call("POST", f"/status/{status}", b"{}")
    assert (answer.status, answer.error["code"]) == (status, "from_the_gateway")
    assert len(gateway.targets) == before + 1


def test_whole_json_is_compressed_for_those_who_ask(edge: Edge) -> None:
    asked = edge.call("GET", "/large", headers={"Accept-Encoding": "gzip"})
    assert asked.headers["content-encoding"] == "gzip"
    assert len(gzip.decompress(asked.body)) == 4096
    assert asked.headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in edge.call("GET", "/large").headers


def test_events_are_never_compressed(edge: Edge) -> None:
    answer = edge.call("GET", "/large-events", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers
    assert len(answer.body) == 4096


def test_the_log_tells_of_refusals_without_what_was_sent(edge: Edge) -> None:
    secret = "fb_canary"
    edge.announce(f"/echo?key={secret}", LIMIT_BYTES + 1, {"Authorization": secret, "X-Request-Id": "refused-1"})
    edge.raw(b"GET /?key=" + secret.encode() + b" HTTP/1.1\r\nHost: a b\r\n\r\n")
    until(lambda: '"request_id":"refused-1"' in edge.log(), "the refusal is logged")
    (line,) = [json.loads(text) for text in edge.log().splitlines() if '"request_id":"refused-1"' in text]
    assert (line["status"], line["level"], line["client_ip"]) == (413, "warning", "127.0.0.1")
    assert line["message"] == "answered by the edge"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["timestamp"])
    assert secret not in edge.log()


def temporary_files(edge: Edge) -> list[Path]:
    """Files below nginx's temporary folders; a name never used again stays in the folder's numbering, not on disk."""
    return [path for path in (edge.state.edge / "temp").rglob("*") if path.is_file()]
