"""The head of an engine's answer: its framing is believed only where it cannot be read in two ways."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.splits import pieces_of

from forebay.wire import response
from forebay.wire.response import CHUNKED, UNTIL_CLOSE, BadAnswer, ResponseHead, parse_head

OK = b"HTTP/1.1 200 OK"


def lines(*of: bytes) -> bytes:
    return b"\r\n".join(of) + b"\r\n\r\n"


@pytest.mark.parametrize(
    ("received", "wanted"),
    [
        (lines(OK, b"Content-Length: 5"), ResponseHead(200, 5, True, b"", b"")),
        (lines(OK, b"Transfer-Encoding: Chunked"), ResponseHead(200, CHUNKED, True, b"", b"")),
        (lines(OK), ResponseHead(200, UNTIL_CLOSE, True, b"", b"")),
        (lines(b"HTTP/1.0 200 OK", b"Content-Length: 5"), ResponseHead(200, 5, False, b"", b"")),
        (lines(b"HTTP/1.1 200"), ResponseHead(200, UNTIL_CLOSE, True, b"", b"")),
        (lines(OK, b"Connection: close", b"Content-Length: 0"), ResponseHead(200, 0, False, b"", b"")),
        (lines(b"HTTP/1.1 204 No Content"), ResponseHead(204, 0, True, b"", b"")),
        (lines(b"HTTP/1.1 304 X", b"Content-Length: 5"), ResponseHead(304, 0, True, b"", b"")),
        (lines(b"HTTP/1.1 100 Continue"), ResponseHead(100, 0, True, b"", b"")),
        (
            lines(b"HTTP/1.1 503 Gr\xfc\xdfe", b"retry-after: 3", b"content-type: text/plain", b"Content-Length: 1"),
            ResponseHead(503, 1, True, b"text/plain", b"3"),
        ),
    ],
)
def test_status_and_framing_are_read(received: bytes, wanted: ResponseHead) -> None:
    assert parse_head(received + b"rest") == (wanted, len(received))


BAD = {
    "length twice": lines(OK, b"Content-Length: 5", b"Content-Length: 5"),
    "length and chunked": lines(OK, b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "coding twice": lines(OK, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "coding gzip, chunked": lines(OK, b"Transfer-Encoding: gzip, chunked"),
    "length as a list": lines(OK, b"Content-Length: 5, 5"),
    "length negative": lines(OK, b"Content-Length: -5"),
    "length of 20 digits": lines(OK, b"Content-Length: " + b"1" * 20),
    "length empty": lines(OK, b"Content-Length:"),
    "bare LF": OK + b"\nX: a\r\n\r\n",
    "obs-fold": lines(OK, b"X: a", b" b"),
    "space before the colon": lines(OK, b"Content-Length : 5"),
    "NUL": lines(OK, b"X: \x00"),
    "HTTP/2": lines(b"HTTP/2 200 OK"),
    "status of two digits": lines(b"HTTP/1.1 20 OK"),
    "status 600": lines(b"HTTP/1.1 600 OK"),
    "no head at all": b'{"choices": []}',
    "TLS": b"\x15\x03\x01\x00\x02\x02\x46",
    "100 KB of headers": OK + b"\r\nX: a" * 20_000,
    "bare LFs without end": b"HTTP/1.1 200 OK\n\n",
}


@pytest.mark.parametrize("case", BAD)
def test_a_head_that_frames_badly_is_refused(case: str) -> None:
    with pytest.raises(BadAnswer):
        parse_head(BAD[case])


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_no_part_of_a_head_is_taken_for_the_whole(data: st.DataObject) -> None:
    whole = lines(OK, b"Content-Length: 5", b"X: y")
    received = b""
    for piece in data.draw(pieces_of(whole)):
        received += piece
        parsed = parse_head(received)
        assert (parsed is not None) == (received == whole)


_USUAL = st.sampled_from(
    [
        *(
            b"Content-Length: 0",
            b"Content-Length: 7",
            b"content-length: x",
            b"Transfer-Encoding: chunked",
            b"Date: now",
        ),
        *(b"Transfer-Encoding: gzip", b"Connection: close", b"Connection: keep-alive", b"Content-Type: text/plain"),
        *(b"Content-Type: application/json", b"Retry-After: 3", b"Retry-After: 4", b"Server: a", b"Server: b"),
    ]
)


@given(
    st.lists(_USUAL, max_size=6), st.sampled_from([(200, True), (200, False), (204, True), (304, True), (101, True)])
)
@settings(max_examples=400, deadline=None)
def test_a_usual_head_is_read_as_one_that_is_looked_at_closely(of: list[bytes], first: tuple[int, bool]) -> None:
    usual = response._usual_head(*first, of)
    if usual is not None:
        assert usual == response._closer_head(*first, of)
