"""Invariant: whatever bytes an engine answers, however they are cut and wherever they end, the client gets exactly one
answer with complete framing, the engine's place is given back, and the connection serves again only if the answer was
whole.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.in_memory import CHAT, Gateway, feed
from tests.unit.wire.splits import pieces_of

from forebay.wire.response import BadAnswer, ResponseHead, parse_head

STATUS = st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.1 404 No", b"HTTP/1.1 500 X", b"HTTP/1.0 200", b"HTTP/1.1 204 X",
                          b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK", b"HTTP/2 200", b"garbage"])  # fmt: skip
FIELDS = st.sampled_from([
    b"Content-Length: 5", b"Content-Length: 5", b"Content-Length: -5", b"Transfer-Encoding: chunked", b"X: y",
    b"Transfer-Encoding: gzip", b"Connection: close", b"X : y", b"Content-Type: application/json", b" folded",
])  # fmt: skip
BODIES = st.sampled_from(
    [b"", b"hello", b"hello!", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhel", b"zz\r\n", b"0\r\n\r\nmore"]
)


@st.composite
def answers(draw: st.DrawFn) -> bytes:
    return b"\r\n".join([draw(STATUS), *draw(st.lists(FIELDS, max_size=3)), b"", b""]) + draw(BODIES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_one_answer_whatever_comes(folder: Path, data: st.DataObject) -> None:
    gateway = Gateway(folder, retry_attempts=1)
    sent = data.draw(answers() | st.binary(max_size=30))
    client, engine = gateway.call(CHAT)
    feed(engine, *data.draw(pieces_of(sent)))
    if engine.protocol.reader is not None:
        engine.settle(data.draw(st.sampled_from([None, ConnectionResetError()])))
    head, found, body = client.take().partition(b"\r\n\r\n")
    assert found
    length = next(line for line in head.split(b"\r\n") if line.startswith(b"content-length: "))
    assert len(body) == int(length[16:])
    assert gateway.slots[0].outstanding == 0
    assert gateway.counted("forebay_calls_in_flight") == 0
    assert engine.protocol.reader is None


def last_head(received: bytes) -> ResponseHead | None:
    try:
        parsed = parse_head(received)
    except BadAnswer:
        return None
    return parsed[0] if parsed else None


@given(answers() | st.binary(max_size=30), st.data())
@settings(max_examples=300, deadline=None)
def test_a_head_is_read_the_same_however_much_follows(received: bytes, data: st.DataObject) -> None:
    head = last_head(received)
    assert head is None or last_head(received + data.draw(st.binary(max_size=10))) == head
