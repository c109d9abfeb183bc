"""Invariant: whatever bytes a client sends, however they are cut, the reader gives the same requests and then a refusal
or none; a refusal has a status that clients are told of; each request it gives, written again as plainly as can be, is
read as the same request; and it never holds more than it was fed.
"""

from __future__ import annotations

from collections.abc import Iterable

from tests.fuzz.cuts import pieces, split

from forebay.gateway.refusal import CODES
from forebay.wire.request import Malformed, RequestHead
from forebay.wire.request_reader import RequestLimits, RequestReader

LIMITS = RequestLimits(target_bytes=64, head_bytes=256, body_bytes=64)
Requests = list[tuple[RequestHead, bytes]]


def check(fuzzed: bytes) -> None:
    sent, at = split(fuzzed)
    whole, refused = read([sent])
    in_pieces, refused_in_pieces = read(pieces(sent, at))
    assert in_pieces == whole
    # In pieces, what is refused may be refused earlier and for the first thing that is wrong with it.
    assert (refused is None) == (refused_in_pieces is None), (refused, refused_in_pieces)
    for each in filter(None, (refused, refused_in_pieces)):
        assert CODES[each[1]].status == each[0]
    for head, body in whole:
        check_plain(head, body)


def read(sent: Iterable[bytes]) -> tuple[Requests, tuple[int, str] | None]:
    reader, found, fed = RequestReader(LIMITS), [], 0
    try:
        for piece in sent:
            fed += len(piece)
            request = reader.feed(piece)
            while request is not None:
                found.append(request)
                request = reader.feed(b"")
            assert reader.held_bytes <= fed
    except Malformed as refused:
        return found, (refused.status, refused.code)
    return found, None


def check_plain(head: RequestHead, body: bytes) -> None:
    again, refused = read([_plainly(head, body)])
    assert refused is None, refused
    found = [(each.method, each.path, each.authorization, text) for each, text in again]
    assert found == [(head.method, head.path, head.authorization, body)]


def _plainly(head: RequestHead, body: bytes) -> bytes:
    """A request written with nothing but what its reader says it holds."""
    lines = [head.method + b" " + head.path + (b" HTTP/1.1" if head.http_1_1 else b" HTTP/1.0"), b"Host: a"]
    if body or head.body_bytes:
        lines.append(b"Content-Length: %d" % len(body))
    if head.authorization:
        lines.append(b"Authorization: " + head.authorization)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body
