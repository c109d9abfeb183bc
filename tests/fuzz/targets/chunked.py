"""Invariant: however chunked bytes are cut, the payload, the end and what lies behind it are the same, or they are
refused; what is taken is what a decoder of a few lines reads; and where `aligned` says so, another chunk may follow.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.fuzz.cuts import pieces, split

from forebay.wire.chunked import LAST_CHUNK, BadChunk, ChunkedDecoder, chunk


def check(fuzzed: bytes) -> None:
    coded, at = split(fuzzed)
    whole, in_pieces = _decoded([coded]), _decoded(pieces(coded, at))
    assert whole == in_pieces
    if whole is None:
        return
    payload, done, aligned, rest = whole
    if done:
        assert _plainly(coded) == (payload, rest)
    elif aligned:
        assert _decoded([coded + chunk(b"more") + LAST_CHUNK]) == (payload + b"more", True, True, b"")
    else:
        # What is begun may end; nothing that was given is taken back by what comes.
        later = _decoded([coded + LAST_CHUNK])
        assert later is None or later[0].startswith(payload)


def _decoded(coded: Iterable[bytes]) -> tuple[bytes, bool, bool, bytes] | None:
    """Payload, whether it is over, whether it stands between chunks, and what is behind; None where it is refused."""
    decoder, payload, rest = ChunkedDecoder(), b"", b""
    try:
        for piece in coded:
            if decoder.done:
                rest += piece
            else:
                payload += decoder.feed(piece)
                rest = decoder.rest
    except BadChunk:
        return None
    return payload, decoder.done, decoder.aligned, rest


def _plainly(coded: bytes) -> tuple[bytes, bytes]:
    payload = b""
    while True:
        line, _, coded = coded.partition(b"\r\n")
        assert re.fullmatch(rb"[0-9A-Fa-f]{1,8}", line), line
        size = int(line, 16)
        assert coded[size : size + 2] == b"\r\n"
        payload, coded = payload + coded[:size], coded[size + 2 :]
        if size == 0:
            return payload, coded
