"""The grammar of a request's head: what is refused, with which answer, and what is read out of what is accepted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.gateway.refusal import CODES
from forebay.wire import request
from forebay.wire.request import CHUNKED, Malformed, RequestHead, parse_head

TARGET_BYTES, HEAD_BYTES = 256, 1024
LINE = b"POST /v1/chat/completions HTTP/1.1"
HOST = b"Host: a"


def head_of(received: bytes) -> RequestHead:
    parsed = parse_head(received, TARGET_BYTES, HEAD_BYTES)
    assert parsed is not None
    return parsed[0]


def lines(*of: bytes) -> bytes:
    return b"\r\n".join(of) + b"\r\n\r\n"


REFUSED = {
    "content-length beside transfer-encoding": (
        lines(LINE, HOST, b"Content-Length: 3", b"Transfer-Encoding: chunked"), 400, "ambiguous_length"),
    "transfer-encoding beside content-length": (
        lines(LINE, HOST, b"Transfer-Encoding: chunked", b"Content-Length: 3"), 400, "ambiguous_length"),
    "transfer-encoding of HTTP/1.0": (
        lines(b"POST / HTTP/1.0", HOST, b"Transfer-Encoding: chunked"), 400, "ambiguous_length"),
    "transfer-encoding xchunked": (lines(LINE, HOST, b"Transfer-Encoding: xchunked"), 501, "unknown_transfer_encoding"),
    "transfer-encoding chunked, identity": (
        lines(LINE, HOST, b"Transfer-Encoding: chunked, identity"), 501, "unknown_transfer_encoding"),
    "transfer-encoding chunked, chunked": (
        lines(LINE, HOST, b"Transfer-Encoding: chunked, chunked"), 501, "unknown_transfer_encoding"),
    "transfer-encoding identity": (lines(LINE, HOST, b"Transfer-Encoding: identity"), 501, "unknown_transfer_encoding"),
    "transfer-encoding empty": (lines(LINE, HOST, b"Transfer-Encoding:"), 501, "unknown_transfer_encoding"),
    "transfer-encoding in quotes": (
        lines(LINE, HOST, b'Transfer-Encoding: "chunked"'), 501, "unknown_transfer_encoding"),
    "transfer-encoding twice": (
        lines(LINE, HOST, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), 400, "duplicate_header"),
    "space before the colon": (lines(LINE, HOST, b"Transfer-Encoding : chunked"), 400, "bad_header"),
    "tab before the colon": (lines(LINE, HOST, b"Content-Length\t: 3"), 400, "bad_header"),
    "vertical tab before the value": (lines(LINE, HOST, b"Transfer-Encoding: \x0bchunked"), 400, "bad_header"),
    "form feed in a value": (lines(LINE, HOST, b"X: a\x0cb"), 400, "bad_header"),
    "no-break space round a value": (
        lines(LINE, HOST, b"Transfer-Encoding: \xa0chunked"), 501, "unknown_transfer_encoding"),
    "content-length twice alike": (
        lines(LINE, HOST, b"Content-Length: 3", b"Content-Length: 3"), 400, "duplicate_header"),
    "content-length twice": (lines(LINE, HOST, b"content-length: 3", b"Content-Length: 4"), 400, "duplicate_header"),
    "content-length as a list": (lines(LINE, HOST, b"Content-Length: 3, 3"), 400, "bad_content_length"),
    "content-length +3": (lines(LINE, HOST, b"Content-Length: +3"), 400, "bad_content_length"),
    "content-length -1": (lines(LINE, HOST, b"Content-Length: -1"), 400, "bad_content_length"),
    "content-length 0x3": (lines(LINE, HOST, b"Content-Length: 0x3"), 400, "bad_content_length"),
    "content-length 3_0": (lines(LINE, HOST, b"Content-Length: 3_0"), 400, "bad_content_length"),
    "content-length 3.0": (lines(LINE, HOST, b"Content-Length: 3.0"), 400, "bad_content_length"),
    "content-length 1e3": (lines(LINE, HOST, b"Content-Length: 1e3"), 400, "bad_content_length"),
    "content-length empty": (lines(LINE, HOST, b"Content-Length:"), 400, "bad_content_length"),
    "content-length in superscript": (lines(LINE, HOST, "Content-Length: ³".encode()), 400, "bad_content_length"),
    "content-length 10^23": (lines(LINE, HOST, b"Content-Length: 1" + b"0" * 23), 400, "bad_content_length"),
    "bare LF after a header": (LINE + b"\r\n" + HOST + b"\nX: a\r\n\r\n", 400, "bad_header"),
    "bare LF after the request line": (LINE + b"\n" + HOST + b"\r\n\r\n", 400, "bad_request_line"),
    "bare LFs throughout": (LINE + b"\n" + HOST + b"\n\n", 400, "bad_request_line"),
    "bare LF before the end": (LINE + b"\r\n" + HOST + b"\r\n\n", 400, "bad_header"),
    "bare CR in a value": (lines(LINE, HOST, b"X: a\rContent-Length: 3"), 400, "bad_header"),
    "bare CR in the request line": (lines(b"GET /\rx HTTP/1.1", HOST), 400, "bad_request_line"),
    "obs-fold": (lines(LINE, HOST, b"X: a", b" b"), 400, "bad_header"),
    "obs-fold with a tab": (lines(LINE, HOST, b"Transfer-Encoding:", b"\tchunked"), 400, "bad_header"),
    "space before the first header": (lines(LINE, b" X: a", HOST), 400, "bad_header"),
    "NUL in a value": (lines(LINE, HOST, b"X: a\x00b"), 400, "bad_header"),
    "NUL in a name": (lines(LINE, HOST, b"X\x00: a"), 400, "bad_header"),
    "NUL in the target": (lines(b"GET /\x00 HTTP/1.1", HOST), 400, "bad_request_line"),
    "DEL in a value": (lines(LINE, HOST, b"X: a\x7fb"), 400, "bad_header"),
    "no name": (lines(LINE, HOST, b": a"), 400, "bad_header"),
    "no colon": (lines(LINE, HOST, b"Content-Length"), 400, "bad_header"),
    "name in latin-1": (lines(LINE, HOST, "Gr\xfc\xdfe: a".encode("latin-1")), 400, "bad_header"),
    "no host": (lines(LINE), 400, "missing_host"),
    "host empty": (lines(LINE, b"Host:"), 400, "bad_host"),
    "host twice": (lines(LINE, HOST, HOST), 400, "duplicate_header"),
    "host with a path": (lines(LINE, b"Host: a/b"), 400, "bad_host"),
    "host with a user": (lines(LINE, b"Host: a@b"), 400, "bad_host"),
    "host with a bad port": (lines(LINE, b"Host: a:b"), 400, "bad_host"),
    "two hosts in one": (lines(LINE, b"Host: a, b"), 400, "bad_host"),
    "host bad under HTTP/1.0": (lines(b"GET / HTTP/1.0", b"Host: a b"), 400, "bad_host"),
    "absolute form": (lines(b"GET http://evil/v1/models HTTP/1.1", HOST), 400, "bad_request_line"),
    "authority form": (lines(b"CONNECT evil:443 HTTP/1.1", HOST), 400, "bad_request_line"),
    "asterisk form": (lines(b"OPTIONS * HTTP/1.1", HOST), 400, "bad_request_line"),
    "no target": (lines(b"GET HTTP/1.1", HOST), 400, "bad_request_line"),
    "two spaces": (lines(b"GET  / HTTP/1.1", HOST), 400, "bad_request_line"),
    "a tab for a space": (lines(b"GET\t/ HTTP/1.1", HOST), 400, "bad_request_line"),
    "a space in the target": (lines(b"GET /a b HTTP/1.1", HOST), 400, "bad_request_line"),
    "utf-8 in the target": (lines("GET /ä HTTP/1.1".encode(), HOST), 400, "bad_request_line"),
    "overlong utf-8 in the target": (lines(b"GET /\xc0\xaf HTTP/1.1", HOST), 400, "bad_request_line"),
    "fragment": (lines(b"GET /#a HTTP/1.1", HOST), 400, "bad_target"),
    "method in lower case": (lines(b"get / HTTP/1.1", HOST), 400, "bad_request_line"),
    "method of 17 letters": (lines(b"A" * 17 + b" / HTTP/1.1", HOST), 400, "bad_request_line"),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400, "bad_request_line"),
    "HTTP/1.2": (lines(b"GET / HTTP/1.2", HOST), 400, "bad_request_line"),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "bad_request_line"),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, "bad_request_line"),
    "empty line first": (b"\r\n" + lines(LINE, HOST), 400, "bad_request_line"),
    "target too long": (lines(b"GET /" + b"a" * TARGET_BYTES + b" HTTP/1.1", HOST), 414, "target_too_long"),
    "target too long, no end in sight": (b"GET /" + b"a" * (TARGET_BYTES + 32), 414, "target_too_long"),
    "target too long, headers to come": (
        b"GET /" + b"a" * TARGET_BYTES + b" HTTP/1.1\r\nHost", 414, "target_too_long"),
    "headers too large": (lines(LINE, HOST, b"X: " + b"a" * HEAD_BYTES), 431, "headers_too_large"),
    "headers too large, no end in sight": (
        LINE + b"\r\nX: " + b"a" * (HEAD_BYTES + TARGET_BYTES), 431, "headers_too_large"),
    "101 headers": (lines(LINE, HOST, *[b"x:"] * 100), 431, "headers_too_large"),
    "method override": (lines(LINE, HOST, b"X-HTTP-Method-Override: GET"), 400, "method_override"),
    "method override, short": (lines(LINE, HOST, b"X-HTTP-Method: GET"), 400, "method_override"),
    "method override, other": (lines(LINE, HOST, b"X-Method-Override: GET"), 400, "method_override"),
    "expectation": (lines(LINE, HOST, b"Expect: 200-ok"), 417, "expectation_failed"),
    "content-type twice": (lines(LINE, HOST, b"Content-Type: a", b"Content-Type: b"), 400, "duplicate_header"),
    "content-encoding twice": (
        lines(LINE, HOST, b"Content-Encoding: gzip", b"Content-Encoding: br"), 400, "duplicate_header"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_head_outside_the_grammar_is_refused(case: str) -> None:
    received, status, code = REFUSED[case]
    with pytest.raises(Malformed) as refused:
        parse_head(received, TARGET_BYTES, HEAD_BYTES)
    assert (refused.value.status, refused.value.code) == (status, code)
    assert CODES[code].status == status


@pytest.mark.parametrize("case", REFUSED)
def test_a_head_that_is_refused_whole_is_never_accepted_in_pieces(case: str) -> None:
    received, *_ = REFUSED[case]
    for end in range(len(received)):
        try:
            assert parse_head(received[:end], TARGET_BYTES, HEAD_BYTES) is None
        except Malformed:
            break


def test_the_largest_head_is_accepted_in_pieces_too() -> None:
    line = b"A" * 16 + b" /" + b"a" * (TARGET_BYTES - 1) + b" HTTP/1.1"
    received = lines(line, HOST, b"X: " + b"a" * (HEAD_BYTES - len(b"\r\nHost: a\r\nX: ")))
    for end in range(len(received)):
        assert parse_head(received[:end], TARGET_BYTES, HEAD_BYTES) is None
    assert head_of(received).method == b"A" * 16


DOOMED = {
    "bare CR in the request line": b"GET /\rx",
    "NUL in the target": b"GET /\x00",
    "no version ever": b"GET / HTTQ",
    "HTTP/2": b"GET / HTTP/2",
    "bare CR in a header": LINE + b"\r\nX: a\rb",
    "NUL in a header": LINE + b"\r\nX: a\x00",
    "obs-fold": LINE + b"\r\nX: a\r\n b",
    "space before the colon": LINE + b"\r\nX : ",
}


@pytest.mark.parametrize("case", DOOMED)
def test_a_head_that_no_byte_can_mend_is_not_waited_for(case: str) -> None:
    with pytest.raises(Malformed):
        parse_head(DOOMED[case], TARGET_BYTES, HEAD_BYTES)


def test_what_is_read_is_what_was_sent() -> None:
    received = lines(
        b"POST /v1/models?key=secret HTTP/1.1",
        b"hOST: example.org:8443",
        b"Content-Length:\t 007 \t",
        b"Content-Type: application/json ",
        b"Content-Encoding: identity",
        b"Authorization: Bearer x",
        b"X-Forwarded-For: 1.1.1.1",
        b"X-Forwarded-For: 2.2.2.2",
        b"X-Request-Id: abcd-1234",
        b"X-Request-Start: t=1.5",
        b"Expect: 100-Continue",
        b"X-Content-Length: 99",
        b"X: " + bytes(range(0x80, 0x100)),
    )
    assert parse_head(received + b"rest", TARGET_BYTES, HEAD_BYTES) == (
        RequestHead(
            method=b"POST",
            path=b"/v1/models",
            body_bytes=7,
            keep_alive=True,
            http_1_1=True,
            content_type=b"application/json",
            content_encoding=b"identity",
            authorization=b"Bearer x",
            ambiguous_authorization=False,
            expects_continue=True,
            forwarded_for=b"1.1.1.1,2.2.2.2",
            request_id="abcd-1234",
            started_at=b"t=1.5",
        ),
        len(received),
    )


@pytest.mark.parametrize(
    ("line", "header", "kept"),
    [
        (b"GET / HTTP/1.1", b"X: a", True),
        (b"GET / HTTP/1.1", b"Connection: Close", False),
        (b"GET / HTTP/1.1", b"Connection: upgrade, close", False),
        (b"GET / HTTP/1.1", b"Connection: keep-alive", True),
        (b"GET / HTTP/1.0", b"Connection: keep-alive", False),
    ],
)
def test_a_connection_is_kept_only_as_the_client_says(line: bytes, header: bytes, kept: bool) -> None:
    assert head_of(lines(line, HOST, header)).keep_alive is kept


@pytest.mark.parametrize("text", [b"short", b"a" * 65, b"with space", b"qu'ote12", b"line\x80feed", b""])
def test_a_request_id_that_is_no_token_is_not_taken_over(text: bytes) -> None:
    assert head_of(lines(LINE, HOST, b"X-Request-Id: " + text)).request_id == ""


def test_two_authorizations_are_marked_whatever_they_say() -> None:
    assert head_of(lines(LINE, HOST, b"Authorization: Bearer a", b"authorization: Bearer a")).ambiguous_authorization


@pytest.mark.parametrize("host", [b"a", b"A-b_c.d:80", b"[::1]:8443", b"[2001:db8::1]", b"127.0.0.1:1"])
def test_every_form_of_host_is_taken(host: bytes) -> None:
    assert head_of(lines(LINE, b"Host: " + host)).method == b"POST"


def test_limits_are_inclusive() -> None:
    target = b"/" + b"a" * (TARGET_BYTES - 1)
    fields = HOST + b"\r\nX: " + b"a" * (HEAD_BYTES - len(HOST) - len(b"\r\n\r\nX: "))
    assert head_of(lines(b"GET " + target + b" HTTP/1.1", fields)).path == target
    assert head_of(lines(LINE, HOST, *[b"x:"] * 99)).body_bytes == 0


VALID = lines(b"POST /v1/completions HTTP/1.1", HOST, b"Content-Length: 5", b"Connection: keep-alive", b"X: y")
_PATCHES = [b"\r", b"\n", b"\r\n", b" ", b"\t", b":", b"\x00", b"\x0b", b"\xa0", b",", b"9", b"z", b""]
_STRICT = re.compile(
    rb"[A-Z]{1,16} /[\x21-\x7e]* HTTP/1\.[01]\r\n(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n"
)


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_a_mutated_head_is_read_as_written_or_not_at_all(data: st.DataObject) -> None:
    """Whatever is accepted fits a grammar written differently, and says what a naive reader of it would read."""
    received = bytearray(VALID)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(received) - 1))
        patch = data.draw(st.sampled_from(_PATCHES) | st.binary(max_size=3))
        received[at : at + data.draw(st.integers(0, 2))] = patch
    try:
        parsed = parse_head(bytes(received), TARGET_BYTES, HEAD_BYTES)
    except Malformed:
        return
    if parsed is None:
        return
    head, end = parsed
    assert _STRICT.fullmatch(received[:end])
    line, *fields = bytes(received[: end - 4]).split(b"\r\n")
    named = [(name.lower(), value.strip(b" \t")) for name, _, value in (each.partition(b":") for each in fields)]
    assert line == b"%b %b HTTP/1.%d" % (head.method, line.split(b" ")[1], head.http_1_1)
    assert head.path == line.split(b" ")[1].partition(b"?")[0]
    lengths = [value for name, value in named if name == b"content-length"]
    codings = [value for name, value in named if name == b"transfer-encoding"]
    assert len(lengths) + len(codings) <= 1
    assert head.body_bytes == (CHUNKED if codings else int(lengths[0]) if lengths else 0)


_USUAL = st.sampled_from(
    [
        *(b"Host: a", b"Host: b:80", b"Host: a b", b"Content-Length: 0", b"Content-Length: 7", b"Content-Length: x"),
        *(b"Connection: close", b"Connection: keep-alive", b"Content-Type: application/json", b"Content-Encoding: br"),
        *(b"Authorization: Bearer a", b"Authorization: Bearer b", b"X-Forwarded-For: 1.1.1.1", b"Expect: 100-continue"),
        *(
            b"X-Request-Id: 0123456789",
            b"X-Request-Id: short",
            b"X-Request-Start: t=1.5",
            b"Transfer-Encoding: chunked",
        ),
        *(b"X-Session-Id: s", b"X-HTTP-Method: GET", b"Accept: */*", b"Accept: text/plain", b"Host:"),
    ]
)


@given(st.lists(_USUAL, max_size=8), st.sampled_from([LINE, b"POST / HTTP/1.0"]))
@settings(max_examples=400, deadline=None)
def test_a_usual_head_is_read_as_one_that_is_looked_at_closely(of: list[bytes], first: bytes) -> None:
    method, _target, path, http_1_1 = request._request_line(first)
    usual = request._usual_head(method, path, http_1_1, of)
    if usual is not None:
        read = [request._field(line) for line in of]
        assert usual == request._head(method, path, http_1_1, [(name, value) for _, _, name, value in read])
