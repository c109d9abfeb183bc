"""What HTTP/2 adds to attacks: smuggled fields, resets, headers without end. Others are served all the while."""

from __future__ import annotations

import contextlib

import psutil
import pytest
from tests.integration.edge import http2
from tests.integration.edge.fake_gateway import FakeGateway
from tests.integration.edge.real_edge import Edge

pytestmark = pytest.mark.timeout(120)
_METHOD, _SCHEME, _PATH, _AUTHORITY = http2.REQUEST
_MIB = 1024 * 1024


def _posts(*more: tuple[str, str]) -> list[tuple[str, str]]:
    return [(":method", "POST"), _SCHEME, _PATH, _AUTHORITY, *more]


MALFORMED: dict[str, list[tuple[str, str]]] = {
    "a coding of HTTP/1.1": _posts(("transfer-encoding", "chunked")),
    "a coding in capitals": _posts(("Transfer-Encoding", "chunked")),
    "a name in capitals": [*http2.REQUEST, ("X-Thing", "a")],
    "a name with a space": [*http2.REQUEST, ("x thing", "a")],
    "a name with a colon": [*http2.REQUEST, ("x:thing", "a")],
    "a name with a line break": [*http2.REQUEST, ("x\r\ntransfer-encoding", "chunked")],
    "a value with a line break": [*http2.REQUEST, ("x", "a\r\nauthorization: Bearer b")],
    "a value with a bare line feed": [*http2.REQUEST, ("x", "a\nb: c")],
    "a value with a zero byte": [*http2.REQUEST, ("x", "a\0b")],
    "a path with a line break": [_METHOD, _SCHEME, (":path", "/echo HTTP/1.1\r\nx: y\r\n\r\n"), _AUTHORITY],
    "a path with a space": [_METHOD, _SCHEME, (":path", "/echo HTTP/1.1"), _AUTHORITY],
    "an empty path": [_METHOD, _SCHEME, (":path", ""), _AUTHORITY],
    "a path that is a URL": [_METHOD, _SCHEME, (":path", "http://other/echo"), _AUTHORITY],
    "no path": [_METHOD, _SCHEME, _AUTHORITY],
    "no method": [_SCHEME, _PATH, _AUTHORITY],
    "two methods": [_METHOD, (":method", "POST"), _SCHEME, _PATH, _AUTHORITY],
    "two paths": [*http2.REQUEST, (":path", "/status/201")],
    "a method with a line break": [(":method", "GET / HTTP/1.1\r\nx: y\r\n\r\nGET"), _SCHEME, _PATH, _AUTHORITY],
    "a pseudo-header of nobody's": [*http2.REQUEST, (":protocolx", "a")],
    "a status in a request": [*http2.REQUEST, (":status", "200")],
    "two lengths": _posts(("content-length", "1"), ("content-length", "2")),
    "a length that is none": _posts(("content-length", "1a")),
    "more than its length": _posts(("content-length", "1")),
    "TRACE": [(":method", "TRACE"), _SCHEME, _PATH, _AUTHORITY],
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_http_2_does_not_allow_reaches_no_gateway(edge: Edge, gateway: FakeGateway, case: str) -> None:
    before = len(gateway.targets)
    posts = MALFORMED[case][0] == (":method", "POST")
    with edge.tls_socket("h2") as tls:
        http2.begin(tls)
        sent = http2.request(1, MALFORMED[case], ends=not posts)
        if posts:
            sent += http2.frame(http2.DATA, http2.END_STREAM, 1, b"0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")
        tls.sendall(sent)
        for found in http2.frames(tls):
            if found.kind in (http2.RST_STREAM, http2.GOAWAY):
                break
            if found.kind == http2.HEADERS:
                assert found.payload[:1] != b"\x88", "it was answered with 200"
                break
    assert len(gateway.targets) == before
    assert edge.call("GET", "/echo").status == 200


def test_streams_that_are_taken_back_at_once_stop_nobody(edge: Edge) -> None:
    """Rapid reset: each costs its sender two frames, and a server that keeps no count a request."""
    with edge.tls_socket("h2") as tls:
        http2.begin(tls)
        with contextlib.suppress(OSError):  # it may end the connection while we still send
            for batch in range(40):
                streams = range(batch * 200 + 1, (batch + 1) * 200 + 1, 2)
                cancelled = (8).to_bytes(4, "big")
                tls.sendall(
                    b"".join(
                        http2.request(each) + http2.frame(http2.RST_STREAM, 0, each, cancelled) for each in streams
                    )
                )
                if batch % 10 == 0:
                    assert edge.call("GET", "/echo").status == 200
    assert edge.call("GET", "/echo").status == 200


def _resident_bytes(edge: Edge) -> int:
    return sum(psutil.Process(pid).memory_info().rss for pid in edge.workers())


def test_headers_that_never_end_are_cut_off(edge: Edge, gateway: FakeGateway) -> None:
    """CONTINUATION frames one after another: 32 MB would be taken by who waits for the last."""
    before, held = len(gateway.targets), _resident_bytes(edge)
    piece = http2.block([("x", "a" * 8000), ("y", "b" * 8000)])
    with edge.tls_socket("h2") as tls:
        http2.begin(tls)
        tls.sendall(http2.frame(http2.HEADERS, 0, 1, http2.block(http2.REQUEST)))
        with contextlib.suppress(OSError):
            for _ in range(2000):  # what comes behind the refusal is read and dropped
                tls.sendall(http2.frame(http2.CONTINUATION, 0, 1, piece))
        seen = list(http2.frames(tls))
        assert not any(found.payload[:1] == b"\x88" for found in seen if found.kind == http2.HEADERS)
        assert any(found.kind == http2.GOAWAY for found in seen) or not seen
    assert _resident_bytes(edge) - held < 64 * _MIB
    assert len(gateway.targets) == before
    assert edge.call("GET", "/echo").status == 200


def test_a_small_block_that_means_a_large_head_is_refused(edge: Edge, gateway: FakeGateway) -> None:
    """One entry of the table named ten thousand times: 14 KB that stand for 40 MB."""
    before, held = len(gateway.targets), _resident_bytes(edge)
    value = "a" * 3900
    entry = b"\x40" + http2.block([("x", value)])[1:]  # a literal that is kept
    with edge.tls_socket("h2") as tls:
        http2.begin(tls)
        with contextlib.suppress(OSError):
            tls.sendall(
                http2.frame(
                    http2.HEADERS,
                    http2.END_HEADERS | http2.END_STREAM,
                    1,
                    http2.block(http2.REQUEST) + entry + b"\xbe" * 10_000,
                )
            )
            for found in http2.frames(tls):
                if found.kind in (http2.RST_STREAM, http2.GOAWAY):
                    break
                if found.kind == http2.HEADERS:
                    assert found.payload[:1] != b"\x88"
                    break
    assert _resident_bytes(edge) - held < 64 * _MIB
    assert len(gateway.targets) == before
    assert edge.call("GET", "/echo").status == 200


def test_frames_that_ask_for_answers_do_not_pile_them_up(edge: Edge) -> None:
    """Pings and settings whose answers nobody reads."""
    held = _resident_bytes(edge)
    with edge.tls_socket("h2") as tls:
        http2.begin(tls)
        tls.settimeout(5)
        with contextlib.suppress(OSError):
            for _ in range(200):
                tls.sendall(
                    http2.frame(http2.PING, 0, 0, b"12345678") * 500 + http2.frame(http2.SETTINGS, 0, 0, b"") * 50
                )
    assert _resident_bytes(edge) - held < 64 * _MIB
    assert edge.call("GET", "/echo").status == 200
