"""What is far too large, or not what it says it is: one typed answer, and memory that does not grow with it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from tests.in_memory import CHAT, STREAM, Gateway, MemoryTransport, body_of, feed, request

from forebay.wire.chunked import LAST_CHUNK, chunk

MEBI = 2**20
PIECE = 64 * 1024
LINE = b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n"
OK = b"HTTP/1.1 200 OK\r\n"
EVENTS = OK + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
JSON = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, retry_attempts=1)


def grown(sends: Callable[[], None]) -> int:
    """Most bytes that were held beyond what was there before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        sends()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    """`text` again and again, `size` bytes in all, as they come from a socket; one object: it costs nothing."""
    piece = text * (PIECE // len(text))
    for _ in range(size // len(piece)):
        yield piece


def answer(client: MemoryTransport) -> tuple[int, str, bytes]:
    """Status, code and content type of the one whole answer that a client got."""
    head, _, body = client.take().partition(b"\r\n\r\n")
    said = next(line for line in head.split(b"\r\n") if line.startswith(b"content-type: "))
    return int(head.split()[1]), orjson.loads(body).get("error", {}).get("code", ""), said[14:]


HEADERS = {
    "one header": (LINE + b"X: ", b"a", 431, "headers_too_large"),
    "many headers": (LINE, b"X: a\r\n", 431, "headers_too_large"),
    "one name": (LINE, b"x", 431, "headers_too_large"),
    "one target": (b"GET /", b"a", 414, "target_too_long"),
    "one method": (b"", b"G", 414, "target_too_long"),
}


@pytest.mark.parametrize("case", HEADERS)
def test_100_mb_of_headers_of_a_client(gateway: Gateway, case: str) -> None:
    begun, text, status, code = HEADERS[case]
    client = gateway.client()
    assert grown(lambda: feed(client, begun, *pieces(text, 100 * MEBI))) < MEBI
    assert answer(client)[:2] == (status, code)
    assert client.ended


@pytest.mark.parametrize("text", [b"x: y\r\n", b"x"])
def test_100_mb_of_headers_of_an_engine(gateway: Gateway, text: bytes) -> None:
    client, engine = gateway.call(CHAT)
    assert grown(lambda: feed(engine, OK, *pieces(text, 100 * MEBI))) < MEBI
    assert answer(client)[:2] == (502, "engine_lost")
    assert engine.aborted


def test_an_event_of_50_mb_in_a_stream(gateway: Gateway) -> None:
    client, engine = gateway.call(STREAM)
    feed(engine, EVENTS + chunk(b"data: 1\n\n"))
    assert grown(lambda: feed(engine, b"3200000\r\ndata: ", *pieces(b"a", 50 * MEBI))) < 2 * MEBI
    *events, last, _ = body_of(client.take()).split(b"\n\n")
    assert events == [b"data: 1"]
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "stream_cut"
    assert engine.aborted


def test_a_first_event_of_50_mb(gateway: Gateway) -> None:
    client, engine = gateway.call(STREAM)
    assert grown(lambda: feed(engine, EVENTS + b"3200000\r\ndata: ", *pieces(b"a", 50 * MEBI))) < 2 * MEBI
    assert answer(client)[:2] == (502, "answer_too_large")
    assert engine.aborted


@pytest.mark.parametrize("framing", [b"content-length: 104857600\r\n\r\n", b"\r\n"])
def test_a_whole_answer_of_100_mb(gateway: Gateway, framing: bytes) -> None:
    client, engine = gateway.call(CHAT)
    head = OK + b"content-type: application/json\r\n" + framing
    assert grown(lambda: feed(engine, head, *pieces(b"a", 100 * MEBI))) < 16 * MEBI
    assert answer(client)[:2] == (502, "answer_too_large")
    assert engine.aborted


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize(("said", "whole"), [(-10, False), (0, True), (10, False)])
def test_a_length_that_is_not_the_answers(gateway: Gateway, said: int, whole: bool, apart: bool) -> None:
    """An answer cut short, or cut off, is nobody's answer."""
    client, engine = gateway.call(CHAT)
    head = OK + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % (len(JSON) + said)
    feed(engine, *([head, JSON] if apart else [head + JSON]))
    if said > 0:
        assert not client.written
        engine.settle()
    assert answer(client)[:2] == ((200, "") if whole else (502, "engine_lost"))
    assert engine.aborted is (said < 0)


@pytest.mark.parametrize("end", [b"data: 2", b"data: 2\n", b'data: {"a'])
def test_half_an_event_is_held_back(gateway: Gateway, end: bytes) -> None:
    client, engine = gateway.call(STREAM)
    feed(engine, EVENTS + chunk(b"data: 1\n\n") + chunk(end) + LAST_CHUNK)
    *events, last, _ = body_of(client.take()).split(b"\n\n")
    assert events == [b"data: 1"]
    assert orjson.loads(last.removeprefix(b"data: "))["error"]["code"] == "stream_cut"


TYPES = {
    b"application/json": b"application/json",
    b"": b"application/json",
    b"application/json; charset=utf-8": b"application/json; charset=utf-8",
    b"application/problem+json": b"application/problem+json",
    b"text/plain; charset=UTF-8": b"text/plain; charset=UTF-8",
    b"text/html": b"application/octet-stream",
    b"image/svg+xml": b"application/octet-stream",
    b"application/json, text/html": b"application/octet-stream",
    b"application/json; charset=utf-7": b"application/octet-stream",
    b"text/plain;\tx=\xff": b"application/octet-stream",
}


@pytest.mark.parametrize("said", TYPES)
def test_a_content_type_is_passed_on_where_no_browser_runs_it(gateway: Gateway, said: bytes) -> None:
    client, engine = gateway.call(CHAT)
    feed(engine, OK + b"content-type: %b\r\ncontent-length: %d\r\n\r\n" % (said, len(JSON)) + JSON)
    assert answer(client) == (200, "", TYPES[said])


@pytest.mark.parametrize(("status", "code"), [(500, "engine_error"), (503, "engine_lost"), (429, "engine_busy")])
@pytest.mark.parametrize(("said", "wait_s"), [(b"7", 7), (b"99999", 600), (b"", 0), (b"Wed, 21 Oct", 0)])
def test_how_long_an_engine_wants_to_be_left_alone_is_told(
    gateway: Gateway, status: int, code: str, said: bytes, wait_s: int
) -> None:
    client, engine = gateway.call(CHAT)
    feed(engine, b"HTTP/1.1 %d X\r\nretry-after: %b\r\ncontent-length: 2\r\n\r\n{}" % (status, said))
    written = client.written
    assert answer(client)[1] == code
    expected = wait_s or (0 if status == 500 else 1)
    assert (b"\r\nretry-after: %d\r\n" % expected in written) is bool(expected)


CHOICES = {
    "many prompts": ({"prompt": ["x"] * 129}, "prompt"),
    "prompts times n": ({"prompt": ["x"] * 9, "n": 16}, "prompt"),
    "prompts of tokens": ({"prompt": [[1]] * 129}, "prompt"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_prompts_times_n_is_bounded(gateway: Gateway, case: str) -> None:
    fields, param = CHOICES[case]
    client = gateway.client()
    feed(client, request(orjson.dumps({"model": "m", **fields}), "/v1/completions"))
    body = client.written.partition(b"\r\n\r\n")[2]
    error = orjson.loads(body)["error"]
    assert (error["code"], error["param"]) == ("invalid_value", param)


@pytest.mark.parametrize("fields", [{"prompt": list(range(1000))}, {"prompt": ["x"] * 8, "n": 16}, {"prompt": "x"}])
def test_as_many_answers_as_are_allowed_may_be_asked_for(gateway: Gateway, fields: dict[str, object]) -> None:
    engine, client = gateway.idle_connection(), gateway.client()
    feed(client, request(orjson.dumps({"model": "m", **fields}), "/v1/completions"))
    assert engine.written.startswith(b"POST /v1/completions")
