"""Invariant: whatever bytes a client sends, however they are cut, the reader gives the same requests and then the same
refusal or none; each request it gives, written again as plainly as can be, is read as the same request; and it never
holds more than what it was fed.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fuzz.targets.request import check_plain, read
from tests.unit.wire.splits import pieces_of

from forebay.gateway.refusal import CODES

LINES = st.sampled_from([
    b"POST /v1/completions HTTP/1.1", b"GET /health HTTP/1.1", b"GET /a?b#c HTTP/1.1", b"POST / HTTP/1.0",
    b"GET http://a/ HTTP/1.1", b"GET  / HTTP/1.1",
])  # fmt: skip
FIELDS = st.sampled_from([
    b"Host: a", b"Host: a", b"Host: a", b"Content-Length: 5", b"content-length:0", b"Content-Length: 3, 3",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", b"Transfer-Encoding : chunked", b" folded",
    b"Transfer-Encoding: xchunked", b"X: \x00", b"X: y", b"Expect: 100-continue", b"Connection: close", b"X:\ty\t",
    b"Authorization: Bearer k", b"X-Request-Id: request-1",
])  # fmt: skip
BREAKS = st.sampled_from([b"\r\n"] * 12 + [b"\n", b"\r", b"\r\r\n"])
BODIES = st.sampled_from([
    b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"0\r\n\r\n", b"1;x\r\na\r\n0\r\n\r\n",
    b"5\r\nhello\r\n0\r\nX: y\r\n\r\n", b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", b"41\r\n" + b"a" * 0x41 + b"\r\n0\r\n\r\n",
])  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    lines = [draw(LINES), *draw(st.lists(FIELDS, max_size=4))]
    return b"".join(line + draw(BREAKS) for line in lines) + draw(BREAKS) + draw(BODIES)


SENT = st.lists(requests() | st.binary(max_size=12), max_size=3).map(b"".join)


@given(st.data())
@settings(max_examples=600, deadline=None)
def test_any_cut_reads_the_same(data: st.DataObject) -> None:
    sent = data.draw(SENT)
    whole, refused = read([sent])
    in_pieces, refused_in_pieces = read(data.draw(pieces_of(sent)))
    assert in_pieces == whole
    # In pieces, what is refused may be refused earlier and for the first thing that is wrong with it.
    assert (refused is None) == (refused_in_pieces is None)
    for each in filter(None, (refused, refused_in_pieces)):
        assert CODES[each[1]].status == each[0]


@given(SENT)
@settings(max_examples=400, deadline=None)
def test_what_is_read_can_be_written_plainly(sent: bytes) -> None:
    for head, body in read([sent])[0]:
        check_plain(head, body)
