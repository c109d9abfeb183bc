"""Invariant: for any cut of an engine's bytes, and any place where they end, the client gets whole events of the
stream, in order and nothing else: all of them and a clean end, or a beginning of them followed by one `stream_cut`
event. Its framing is always complete, and a connection to the engine is used again only after a complete answer.
"""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.in_memory import CHAT, STREAM, Gateway, MemoryTransport, body_of, feed
from tests.unit.wire.splits import pieces_of

from forebay.wire.chunked import LAST_CHUNK, chunk
from forebay.wire.sse import events

USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}'
LINES = st.sampled_from([b'data: {"choices":[{"delta":{"content":"x"}}]}', b": ping", b"data: 0", b"event: x\ndata: y"])
ENDS = st.sampled_from([b"\n\n", b"\r\n\r\n"])


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], bytes]:
    """Events, and the answer that carries them, chunked or not, its chunks falling anywhere."""
    end = draw(ENDS)
    sent = [
        line.replace(b"\n", b"\r\n") + end if end[:1] == b"\r" else line + end
        for line in draw(st.lists(LINES, max_size=6))
    ]
    sent += [USAGE + end, b"data: [DONE]" + end]
    payload = b"".join(sent)
    framing = draw(st.sampled_from(["chunk an event", "chunk two events", "any chunks", "length", "close"]))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    if framing == "length":
        return sent, head + b"Content-Length: %d\r\n\r\n" % len(payload) + payload
    if framing == "close":
        return sent, head + b"\r\n" + payload
    if framing == "any chunks":
        chunks = draw(pieces_of(payload))
    else:
        step = 1 if framing == "chunk an event" else 2
        chunks = [b"".join(sent[at : at + step]) for at in range(0, len(sent), step)]
    return sent, head + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(chunk(c) for c in chunks if c) + LAST_CHUNK


@st.composite
def arrivals(draw: st.DrawFn, whole: bytes) -> list[bytes]:
    """`whole` cut anywhere, or where it hurts most: behind an event, behind or within a chunk's line."""
    if draw(st.booleans()):
        return draw(pieces_of(whole))
    seams = [at for at in range(len(whole) + 1) if whole[:at].endswith((b"\n", b"\r", b"\n0", b"\n1", b"\n2"))]
    cuts = sorted(draw(st.lists(st.sampled_from(seams), max_size=8))) if seams else []
    return [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("page")


def outcome(client: MemoryTransport) -> list[bytes]:
    """The events the client got; an answer without a stream is none."""
    answer = client.take()
    assert answer.startswith(b"HTTP/1.1 ")
    return list(events(body_of(answer))) if answer.startswith(b"HTTP/1.1 200 ") else []


def check(got: list[bytes], sent: list[bytes], *, whole: bool) -> None:
    if got == sent:
        return
    assert not whole
    if got:
        *before, last = got
        assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "stream_cut"
        assert before == sent[: len(before)]
        assert sent[-1] not in before


@given(st.data(), st.booleans())
@settings(max_examples=500, deadline=None)
def test_any_cut_and_any_end(folder: Path, data: st.DataObject, wants_usage: bool) -> None:
    gateway = Gateway(folder, retry_attempts=1)
    sent, answer = data.draw(streams())
    body = STREAM[:-1] + b',"stream_options":{"include_usage":true}}' if wants_usage else STREAM
    wanted = sent if wants_usage else [each for each in sent if not each.startswith(USAGE)]
    stops_at = data.draw(st.one_of(st.just(len(answer)), st.integers(0, len(answer))))
    client, engine = gateway.call(body)
    feed(engine, *data.draw(arrivals(answer[:stops_at])))
    if engine.protocol.reader is not None:
        engine.settle(data.draw(st.sampled_from([None, ConnectionResetError()])))
    check(outcome(client), wanted, whole=stops_at == len(answer))
    assert gateway.slots[0].outstanding == 0
    assert gateway.counted("forebay_calls_in_flight") == 0


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_a_connection_carries_the_next_call_after_a_whole_answer_alone(folder: Path, data: st.DataObject) -> None:
    gateway = Gateway(folder, retry_attempts=1)
    _, answer = data.draw(streams())
    excess = data.draw(st.sampled_from([b"", b"", b"x"]))
    stops_at = data.draw(st.one_of(st.just(len(answer)), st.integers(0, len(answer))))
    received = answer[:stops_at] + excess
    _, engine = gateway.call(STREAM)
    feed(engine, *data.draw(arrivals(received)))
    framed = b"\r\nContent-Length" in answer or b"\r\nTransfer-Encoding" in answer
    kept = gateway.slots[0].pool.take() is engine.protocol
    assert kept == (framed and received == answer)


@given(st.binary(max_size=80), st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_answer_breaks_the_framing_of_the_client(folder: Path, answer: bytes, stream: bool) -> None:
    gateway = Gateway(folder, retry_attempts=1)
    prefix = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    client, engine = gateway.call(STREAM if stream else CHAT)
    feed(engine, prefix, chunk(b"data: 1\n\n"), answer)
    if engine.protocol.reader is not None:
        engine.settle()
    got = list(events(body_of(client.take())))
    assert got[0] == b"data: 1\n\n"
    assert gateway.slots[0].outstanding == 0


def test_a_chunk_cut_by_the_network_never_loses_its_size_line(folder: Path) -> None:
    """A piece that ends with a chunk and an event may still have begun within a chunk."""
    gateway = Gateway(folder)
    client, engine = gateway.call(STREAM)
    first, second = b"data: 1\n\n", b"data: 2\n\n"
    both = chunk(first + second)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    cut = both.index(second)
    feed(engine, head + both[:cut], both[cut:], chunk(b"data: [DONE]\n\n") + LAST_CHUNK)
    assert body_of(client.take()) == first + second + b"data: [DONE]\n\n"
