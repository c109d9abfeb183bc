"""Chunked coding: the same payload however its bytes are cut, and nothing but chunked coding is taken."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.splits import pieces_of

from forebay.wire.chunked import LAST_CHUNK, BadChunk, ChunkedDecoder, chunk


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_cut_gives_the_same_payload_and_rest(data: st.DataObject) -> None:
    payloads = data.draw(st.lists(st.binary(min_size=1, max_size=40), max_size=5))
    rest = data.draw(st.binary(max_size=10))
    coded = b"".join(map(chunk, payloads)) + LAST_CHUNK + rest
    decoder, found = ChunkedDecoder(), b""
    for piece in data.draw(pieces_of(coded)):
        if decoder.done:
            break
        found += decoder.feed(piece)
    assert decoder.done
    assert found == b"".join(payloads)
    assert rest.startswith(decoder.rest)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_aligned_means_between_two_chunks(data: st.DataObject) -> None:
    payloads = data.draw(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=4))
    boundaries = [0]
    for payload in payloads:
        boundaries.append(boundaries[-1] + len(chunk(payload)))
    coded = b"".join(map(chunk, payloads))
    cut = data.draw(st.integers(0, len(coded)))
    decoder = ChunkedDecoder()
    decoder.feed(coded[:cut])
    assert decoder.aligned == (cut in boundaries)


BAD = {
    "no size": b"\r\n",
    "not hexadecimal": b"xyz\r\n",
    "sign": b"-1\r\na\r\n",
    "prefix": b"0x1\r\na\r\n",
    "underscore": b"1_0\r\n",
    "nine digits": b"100000000\r\n",
    "digits without end": b"11111111111",
    "extension": b"1;x\r\na\r\n",
    "leading space": b" 1\r\na\r\n",
    "trailing space": b"1 \r\na\r\n",
    "bare LF": b"1\na\r\n",
    "bare CR": b"1\ra",
    "longer than its size": b"1\r\nab\r\n",
    "shorter than its size": b"3\r\na\r\n0\r\n\r\n",
    "closed by LF": b"1\r\na\n",
    "closed by LF CR": b"1\r\na\n\r",
    "closed by nothing": b"1\r\na0\r\n\r\n",
    "trailer": b"0\r\nX: y\r\n\r\n",
    "last closed by LF": b"0\r\n\n",
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_is_not_chunked_coding_is_refused(case: str, one_by_one: bool) -> None:
    coded = chunk(b"before") + BAD[case]
    pieces = [coded[at : at + 1] for at in range(len(coded))] if one_by_one else [coded]
    with pytest.raises(BadChunk):
        feed_all(pieces)


def feed_all(pieces: list[bytes]) -> None:
    decoder = ChunkedDecoder()
    for piece in pieces:
        decoder.feed(piece)


@pytest.mark.parametrize("size", [b"a", b"A", b"0a", b"0000000A"])
def test_a_size_is_hexadecimal_in_either_case(size: bytes) -> None:
    assert ChunkedDecoder().feed(size + b"\r\n0123456789\r\n") == b"0123456789"
