"""What an engine sends is read the same however it is cut, and every way to fail has its name."""

from itertools import pairwise

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.in_memory import MemoryTransport

from forebay.tune.load.connection import Connection
from forebay.tune.load.exchange import Exchange


def chunked(*events: bytes) -> bytes:
    pieces = (b"data: " + event + b"\n\n" for event in events)
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return STREAM + body + b"0\r\n\r\n"


def text(content: str, finish: str | None = None) -> bytes:
    return orjson.dumps({"choices": [{"delta": {"content": content}, "finish_reason": finish}]})


STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
USAGE = orjson.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}})
ROLE = orjson.dumps({"choices": [{"delta": {"role": "assistant", "content": ""}}]})
WHOLE = chunked(ROLE, text("héllo"), text(" you"), text("!", "length"), USAGE, b"[DONE]")
RESPONSES = (
    STREAM
    + b"".join(
        b"%x\r\n%b\r\n" % (len(piece), piece)
        for piece in (
            b'event: response.created\ndata: {"type":"response.created","response":{"status":"in_progress"}}\n\n',
            b'event: x\ndata: {"type":"response.output_text.delta","delta":"one"}\n\n',
            b'event: x\ndata: {"type":"response.output_text.delta","delta":" two"}\n\n',
            b'event: x\ndata: {"type":"response.completed",'
            b'"response":{"usage":{"input_tokens":4,"output_tokens":2}}}\n\n',
        )
    )
    + b"0\r\n\r\n"
)


class Pool:
    """Where a connection reports to: what became of it and of its exchange."""

    def __init__(self) -> None:
        self.fate = ""
        self.done: list[Exchange] = []

    def give(self, _connection: Connection) -> None:
        self.fate = "kept"

    def drop(self, _connection: Connection) -> None:
        self.fate = "dropped"

    def again(self, _exchange: Exchange) -> None:
        self.fate = "sent again"

    def ended(self, exchange: Exchange) -> None:
        self.done.append(exchange)


def played(*pieces: bytes, lost: bool = False, used: bool = False, age_s: float = 0.0) -> tuple[Exchange, Pool]:
    pool = Pool()
    connection = Connection(pool)  # type: ignore[arg-type]
    MemoryTransport(connection)
    if used:
        connection.send(Exchange(0, 0.0, b"ask", (5, 3)))
        connection.data_received(WHOLE)
        pool.done.clear()
    exchange = Exchange(1, 0.0, b"ask", (5, 3))
    connection.send(exchange)
    exchange.sent -= age_s
    for piece in pieces:
        connection.data_received(piece)
    if lost:
        connection.connection_lost(None)
    return exchange, pool


def plain(status: int, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
    return head + body


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, len(WHOLE) - 1), max_size=12))
def test_a_stream_is_read_the_same_wherever_it_is_cut(cuts):
    edges = [0, *sorted(set(cuts)), len(WHOLE)]
    exchange, pool = played(*(WHOLE[a:b] for a, b in pairwise(edges)))
    assert exchange.reason == ""
    assert (len(exchange.times), exchange.text_bytes) == (3, 11)
    assert (exchange.input_tokens, exchange.told_tokens, exchange.tokens) == (5, 3, 3)
    assert pool.fate == "kept"
    assert pool.done == [exchange]


def test_an_event_without_text_is_no_first_token():
    exchange, _ = played(STREAM, chunked(ROLE)[len(STREAM) : -5])
    assert not exchange.times


def test_responses_tell_text_end_and_usage_by_other_names():
    exchange, pool = played(RESPONSES)
    assert (exchange.reason, len(exchange.times), exchange.input_tokens, exchange.tokens) == ("", 2, 4, 2)
    assert pool.fate == "kept"


def test_a_whole_answer_shows_no_first_token():
    choice = {"message": {"content": "hi"}, "finish_reason": "stop"}
    answer = {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 3}}
    exchange, _ = played(plain(200, orjson.dumps(answer)))
    assert (exchange.reason, len(exchange.times), exchange.tokens) == ("", 0, 3)


@pytest.mark.parametrize(
    ("sent", "lost", "reason", "rejected"),
    [
        (plain(429, b'{"error":{"code":"rate_limited"}}'), False, "429 rate_limited", True),
        (plain(503, b"busy"), False, "503", True),
        (plain(500, b'{"error":{"type":"internal"}}'), False, "500 internal", False),
        (plain(400, b'{"error":{"code":400,"type":"BadRequestError"}}'), False, "400 BadRequestError", False),
        (plain(200, b"nonsense"), False, "unreadable answer", False),
        (plain(200, b"{}"), False, "answer without an end", False),
        (b"SSH-2.0-x\r\n", False, "unreadable answer", False),
        (STREAM + b"zz\r\n", False, "unreadable answer", False),
        (chunked(b"{bad"), False, "unreadable answer", False),
        (chunked(text("a"), text("b")), False, "stream cut short", False),
        (chunked(text("a"), b'{"error":{"code":"engine_failed"}}'), False, "error in the answer: engine_failed", False),
        (b"", True, "dropped before the answer", False),
        (b"HTTP/1.1 200", True, "dropped before the answer", False),
        (WHOLE[:-40], True, "dropped in the answer", False),
    ],
)
def test_every_way_to_fail_has_its_name(sent, lost, reason, rejected):
    exchange, pool = played(sent, lost=lost) if sent else played(lost=lost)
    assert (exchange.reason, exchange.rejected) == (reason, rejected)
    assert pool.done == [exchange]


def test_a_request_on_an_idle_connection_that_was_just_closed_is_sent_once_more():
    exchange, pool = played(lost=True, used=True)
    assert (pool.fate, exchange.reason, pool.done) == ("sent again", "", [])


@pytest.mark.parametrize("connection", [{"used": False}, {"used": True, "age_s": 30.0}], ids=["new", "worked on"])
def test_a_request_that_was_seen_and_dropped_has_failed(connection):
    """Sent again it would be a good answer, and nobody would hear that every other one is dropped."""
    exchange, pool = played(lost=True, **connection)
    assert (pool.fate, exchange.reason, pool.done) == ("dropped", "dropped before the answer", [exchange])


@pytest.mark.parametrize("count", [10**30, -(10**30), -7])
def test_a_count_that_is_none_is_not_told(count):
    usage = orjson.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3}})
    lie = usage.replace(b'"completion_tokens":3', b'"completion_tokens":%d' % count)
    exchange, _ = played(chunked(text("a"), text("b", "length"), lie, b"[DONE]"))
    assert (exchange.reason, exchange.told_tokens, exchange.tokens) == ("", -1, 2)


@pytest.mark.parametrize(
    ("told", "events", "text_bytes", "tokens", "disputed"),
    [
        (3, 3, 9, 3, False),
        (3, 2, 9, 3, False),  # two tokens in one event
        (-1, 3, 9, 3, False),  # not told
        (2, 3, 9, 3, True),  # more events with text than tokens
        (8, 3, 9, 3, True),  # more than was asked for
        (5, 3, 4, 3, True),  # more tokens than bytes and events
    ],
)
def test_a_count_that_cannot_be_true_is_disputed(told, events, text_bytes, tokens, disputed):
    exchange = Exchange(1, 0.0, b"", (5, 6))
    exchange.told_tokens, exchange.text_bytes, exchange.events = told, text_bytes, events
    exchange.times.extend([1.0] * events)
    assert (exchange.tokens, exchange.disputed) == (tokens, disputed)
