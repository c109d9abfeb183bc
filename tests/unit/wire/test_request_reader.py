"""Whole requests out of a stream of bytes, however the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.splits import pieces_of

from forebay.wire.request import Malformed
from forebay.wire.request_reader import Phase, RequestLimits, RequestReader

LIMITS = RequestLimits(target_bytes=256, head_bytes=1024, body_bytes=100)
GET = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


def post(body: bytes, *extra: bytes) -> bytes:
    head = [b"POST /v1/completions HTTP/1.1", b"Host: a", b"Content-Length: %d" % len(body), *extra]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def chunked(*payloads: bytes) -> bytes:
    head = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in payloads) + b"0\r\n\r\n"


def read_all(pieces: list[bytes]) -> list[tuple[bytes, bytes, bytes]]:
    """Method, path and body of every request in `pieces`."""
    reader, found = RequestReader(LIMITS), []
    for piece in pieces:
        request = reader.feed(piece)
        while request is not None:
            head, body = request
            found.append((head.method, head.path, body))
            request = reader.feed(b"")
    assert reader.phase is Phase.IDLE
    assert reader.held_bytes == 0
    return found


REQUESTS = st.one_of(
    st.just((GET, (b"GET", b"/health", b""))),
    st.binary(max_size=100).map(lambda body: (post(body), (b"POST", b"/v1/completions", body))),
    st.lists(st.binary(min_size=1, max_size=25), max_size=4).map(
        lambda payloads: (chunked(*payloads), (b"POST", b"/v1/completions", b"".join(payloads)))
    ),
    # A body that looks like a request stays a body.
    st.just((post(GET), (b"POST", b"/v1/completions", GET))),
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_cut_of_pipelined_requests_reads_the_same(data: st.DataObject) -> None:
    sent = data.draw(st.lists(REQUESTS, min_size=1, max_size=4))
    pieces = data.draw(pieces_of(b"".join(each for each, _ in sent)))
    assert read_all(pieces) == [wanted for _, wanted in sent]


BAD_CHUNKS = {
    "size not hexadecimal": b"g\r\n",
    "size with a sign": b"+1\r\na\r\n",
    "size with 0x": b"0x1\r\na\r\n",
    "size of nine digits": b"000000001\r\na\r\n",
    "size empty": b"\r\n",
    "extension": b"1;a=b\r\na\r\n",
    "space behind the size": b"1 \r\na\r\n",
    "size line ended by LF": b"1\na\r\n",
    "chunk longer than its size": b"1\r\nab\r\n",
    "chunk ended by LF": b"1\r\na\n",
    "trailer": b"0\r\nX: a\r\n\r\n",
    "last chunk ended by LF": b"0\r\n\n",
}


@pytest.mark.parametrize("case", BAD_CHUNKS)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_chunked_body_outside_the_grammar_is_refused(case: str, one_by_one: bool) -> None:
    received = chunked(b"abc")[: -len(b"0\r\n\r\n")] + BAD_CHUNKS[case]
    pieces = [received[at : at + 1] for at in range(len(received))] if one_by_one else [received]
    with pytest.raises(Malformed) as refused:
        read_all(pieces)
    assert (refused.value.status, refused.value.code) == (400, "bad_chunk")


@pytest.mark.parametrize(
    "received",
    [post(b"a" * 101), post(b"a" * 101)[:-50], chunked(b"a" * 101), chunked(*[b"a" * 20] * 6)],
    ids=["whole", "announced", "one chunk", "many chunks"],
)
def test_a_body_beyond_the_limit_is_refused(received: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        read_all([received])
    assert (refused.value.status, refused.value.code) == (413, "body_too_large")


@pytest.mark.parametrize("method", [b"GET", b"PUT", b"DELETE", b"TRACE"])
@pytest.mark.parametrize("arrived", [0, 1, 3])
def test_a_body_where_none_belongs_is_refused_however_much_has_arrived(method: bytes, arrived: int) -> None:
    received = method + b" /v1/models HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n" + b"abc"[:arrived]
    with pytest.raises(Malformed) as refused:
        RequestReader(LIMITS).feed(received)
    assert (refused.value.status, refused.value.code) == (400, "unexpected_body")


def test_a_length_of_zero_is_no_body() -> None:
    reader = RequestReader(LIMITS)
    assert reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n") is not None


def test_a_reader_says_how_far_it_has_come() -> None:
    reader = RequestReader(LIMITS)
    received = post(b"abc", b"Expect: 100-continue")
    assert reader.phase is Phase.IDLE
    assert reader.feed(received[:10]) is None
    assert reader.phase is Phase.HEAD
    assert reader.feed(received[10:-3]) is None
    assert (reader.phase, reader.wants_continue) == (Phase.BODY, True)
    assert reader.feed(received[-3:] + GET) is not None
    assert (reader.phase, reader.held_bytes) == (Phase.HEAD, len(GET))


def test_what_is_held_comes_before_what_is_fed() -> None:
    reader = RequestReader(LIMITS)
    reader.hold(post(b"abc")[:20])
    reader.hold(post(b"abc")[20:-1])
    request = reader.feed(post(b"abc")[-1:])
    assert request is not None
    assert request[1] == b"abc"


def test_new_limits_hold_from_the_next_request_on() -> None:
    reader = RequestReader(LIMITS)
    reader.limits = RequestLimits(target_bytes=256, head_bytes=1024, body_bytes=2)
    with pytest.raises(Malformed):
        reader.feed(post(b"abc"))
