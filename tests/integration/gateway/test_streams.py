"""Streams that end before their time, and clients that leave, stall or come back."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import orjson
import pytest
from tests.integration.gateway.raw import BODY, STREAM, Raw, head, open_files, resident_bytes
from tests.integration.gateway.scripts import STREAM_HEAD, Gate, Script, never_answers, never_ends, sends

from forebay.testing.fake_engine import Exchange, FakeEngine, say_hello
from forebay.testing.worker import GatewayWorker, wait_for
from forebay.wire.chunked import LAST_CHUNK, chunk

CHUNKED_HEAD = STREAM_HEAD + b"transfer-encoding: chunked\r\n\r\n"
ONE, TWO = b"data: 1\n\n", b"data: 2\n\n"
LENGTH_HEAD = STREAM_HEAD + b"content-length: 99\r\n\r\n"

CUT: dict[str, tuple[Script, list[bytes], str]] = {
    "mid-event": (sends(CHUNKED_HEAD + chunk(ONE), b"", chunk(b'data: {"a')), [b"1"], "reset"),
    "mid-chunk": (sends(CHUNKED_HEAD, b"40\r\n" + ONE + TWO + b"da"), [b"1", b"2"], "reset"),
    "mid-chunk, behind an event": (sends(CHUNKED_HEAD, b"40\r\n" + ONE + TWO), [b"1", b"2"], "reset"),
    "mid-size": (sends(CHUNKED_HEAD + chunk(ONE), b"", b"4"), [b"1"], "reset"),
    "between events": (sends(CHUNKED_HEAD + chunk(ONE), b"", chunk(TWO)), [b"1", b"2"], "reset"),
    "closed between events": (sends(CHUNKED_HEAD + chunk(ONE), b"", then="close"), [b"1"], "closed"),
    "without [DONE]": (sends(CHUNKED_HEAD + chunk(ONE), b"", LAST_CHUNK, then="silence"), [b"1"], "no_done"),
    "half an event, framed well": (
        sends(CHUNKED_HEAD + chunk(ONE), b"", chunk(b"data: 2\n") + LAST_CHUNK, then="silence"), [b"1"], "half_event"),
    "bad chunk size": (sends(CHUNKED_HEAD + chunk(ONE), b"", b"zz\r\n" + TWO, then="silence"), [b"1"], "bad_framing"),
    "bad chunk end": (sends(CHUNKED_HEAD + chunk(ONE), b"", b"3\r\nabcdef", then="silence"), [b"1"], "bad_framing"),
    "event of 50 MB": (
        sends(CHUNKED_HEAD + chunk(ONE), b"", b"3200000\r\ndata: ", *[b"a" * 2**20] * 50), [b"1"], "event_too_long"),
    "length too long": (sends(LENGTH_HEAD + ONE, TWO, then="close"), [b"1", b"2"], "closed"),
    "no framing, no [DONE]": (sends(STREAM_HEAD + b"\r\n" + ONE, TWO, then="close"), [b"1", b"2"], "no_done"),
    "silence": (sends(CHUNKED_HEAD + chunk(ONE), b"", then="silence"), [b"1"], "timeout"),
}  # fmt: skip


@pytest.fixture(scope="module")
def worker(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    folder = tmp_path_factory.mktemp("state")
    with GatewayWorker(folder, [engine.port]).policy(retry_attempts=1) as running:
        yield running


@pytest.fixture(autouse=True)
def _restored(engine: FakeEngine, worker: GatewayWorker) -> Iterator[None]:
    """Whatever a test did, nothing is left of it, and the next call is answered."""
    yield
    engine.script = say_hello
    wait_for("no call is in flight", lambda: worker.counted("forebay_calls_in_flight") == 0)
    assert worker.counted("forebay_engine_outstanding") == 0
    wait_for("the engine has no work", lambda: engine.running == 0)
    with Raw(worker) as raw:
        assert raw.call(STREAM).answer().payloads[-1] == b"[DONE]"
    wait_for("that call is settled", lambda: worker.counted("forebay_calls_in_flight") == 0)


@pytest.mark.parametrize("case", CUT)
def test_a_stream_that_is_cut_ends_with_an_error_event(engine: FakeEngine, worker: GatewayWorker, case: str) -> None:
    engine.script, whole, reason = CUT[case]
    if case == "silence":
        worker.policy(chunk_s=0.5).reload()
    before = worker.counted("forebay_cut_streams_total", reason=reason)
    with Raw(worker) as raw:
        answer = raw.call(STREAM).answer()
        assert answer.status == 200
        *events, last = answer.payloads
        assert events == whole
        assert orjson.loads(last)["error"]["code"] == "stream_cut"
        assert b"[DONE]" not in answer.body
        engine.script = say_hello
        worker.policy(chunk_s=30.0).reload()
        assert raw.call(STREAM).answer().payloads[-1] == b"[DONE]"  # our own framing was whole: the connection goes on
    wait_for("it is counted", lambda: worker.counted("forebay_cut_streams_total", reason=reason) == before + 1)


WHOLE: dict[str, bytes] = {
    "one chunk": CHUNKED_HEAD + chunk(ONE + TWO + b"data: [DONE]\n\n") + LAST_CHUNK,
    "chunks of a byte": CHUNKED_HEAD
    + b"".join(chunk(bytes([byte])) for byte in ONE + TWO + b"data: [DONE]\n\n")
    + LAST_CHUNK,
    "a length": STREAM_HEAD + b"content-length: 32\r\n\r\n" + ONE + TWO + b"data: [DONE]\n\n",
    "carriage returns": CHUNKED_HEAD + chunk((ONE + TWO + b"data: [DONE]\n\n").replace(b"\n", b"\r\n")) + LAST_CHUNK,
    "no last chunk": CHUNKED_HEAD + chunk(ONE + TWO + b"data: [DONE]\n\n"),
    "until the end of the connection": STREAM_HEAD + b"\r\n" + ONE + TWO + b"data: [DONE]\n\n",
}


@pytest.mark.parametrize("case", WHOLE)
@pytest.mark.parametrize("step", [1, 1000])
def test_a_whole_stream_arrives_whole_however_it_is_framed(
    engine: FakeEngine, worker: GatewayWorker, case: str, step: int
) -> None:
    sent = WHOLE[case]
    engine.script = sends(*[sent[at : at + step] for at in range(0, len(sent), step)], then="close")
    with Raw(worker) as raw:
        assert raw.call(STREAM).answer().payloads == [b"1", b"2", b"[DONE]"]


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize("space", [b"", b" "])
def test_usage_is_metered_and_shown_to_those_who_ask(
    engine: FakeEngine, worker: GatewayWorker, asked: bool, space: bytes
) -> None:
    usage = b'{"choices":%b[],"usage":%b{"prompt_tokens":5,"completion_tokens":4}}' % (space, space)
    rest = [chunk(b"data: " + usage + b"\n\n"), chunk(b"data: [DONE]\n\n") + LAST_CHUNK]
    engine.script = sends(CHUNKED_HEAD + chunk(ONE), *rest, then="next")
    before = worker.counted("forebay_tokens_total", type="output")
    body = orjson.dumps({**orjson.loads(STREAM), "stream_options": {"include_usage": asked}})
    with Raw(worker) as raw:
        payloads = raw.call(body).answer().payloads
    assert payloads == ([b"1", usage, b"[DONE]"] if asked else [b"1", b"[DONE]"])
    assert engine.seen[-1].fields["stream_options"] == {"include_usage": True}
    wait_for("tokens are counted", lambda: worker.counted("forebay_tokens_total", type="output") == before + 4)


def cancelled(worker: GatewayWorker, reason: str = "client_left") -> float:
    return worker.counted("forebay_cancelled_total", reason=reason)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("when", ["mid-stream", "before the first event", "before a whole answer"])
def test_a_client_that_leaves_aborts_the_engine_s_work(
    engine: FakeEngine, worker: GatewayWorker, how: str, when: str
) -> None:
    engine.script = never_ends if when == "mid-stream" else never_answers
    left, aborted, requests = cancelled(worker), engine.aborted, engine.requests
    raw = Raw(worker).call(BODY if when == "before a whole answer" else STREAM)
    if when == "mid-stream":
        raw.until(b"data: ")
    wait_for("the engine works", lambda: engine.requests > requests)
    raw.reset() if how == "reset" else raw.socket.close()
    wait_for("the engine sees it", lambda: engine.aborted == aborted + 1)
    wait_for("it is counted", lambda: cancelled(worker) == left + 1)


def test_a_client_that_leaves_the_queue_never_reaches_an_engine(engine: FakeEngine, tmp_path: Path) -> None:
    engine.script = gate = Gate()
    requests = engine.requests
    with GatewayWorker(tmp_path, [engine.port], places=1) as worker, Raw(worker) as first:
        first.call(STREAM).until(b"begun")
        base = open_files(worker)
        waiting = [Raw(worker).call(STREAM) for _ in range(10)]
        wait_for("they wait", lambda: worker.counted("forebay_queue_calls") == 10)
        for raw in waiting:
            raw.socket.close()
        wait_for("they left", lambda: cancelled(worker) == 10)
        gate.is_open = True
        assert b"[DONE]" in first.until(LAST_CHUNK)
        wait_for("the queue is empty", lambda: worker.counted("forebay_queue_calls") == 0)
        wait_for("no socket is left", lambda: open_files(worker) <= base)
        assert worker.counted("forebay_engine_outstanding") == 0
    assert engine.requests == requests + 1


@contextmanager
def unanswered_port() -> Iterator[int]:
    """A port where a connection neither opens nor fails: its backlog is full."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def test_a_client_that_leaves_while_we_connect_gives_its_place_back(tmp_path: Path) -> None:
    with unanswered_port() as port, GatewayWorker(tmp_path, [port]).policy(connect_s=60.0) as worker:
        raw = Raw(worker).call()
        wait_for("we connect", lambda: worker.counted("forebay_engine_outstanding") == 1)
        raw.socket.close()
        wait_for("it is counted", lambda: cancelled(worker) == 1)
        assert worker.counted("forebay_engine_outstanding") == 0


def test_an_engine_that_does_not_take_connections_is_given_up(tmp_path: Path, engine: FakeEngine) -> None:
    with unanswered_port() as port, GatewayWorker(tmp_path, [port, engine.port]).policy(connect_s=1.0) as worker:
        assert worker.post(orjson.loads(BODY))[0] == 200
        assert worker.counted("forebay_retries_total", reason="connect_timeout") == 1


def test_five_hundred_clients_that_leave_mid_stream_leave_nothing(engine: FakeEngine, tmp_path: Path) -> None:
    engine.script, engine.most_running, aborted = never_ends, 0, engine.aborted
    with GatewayWorker(tmp_path, [engine.port], places=8).policy(queue_wait_s=100.0) as worker:
        base = open_files(worker)
        clients = [Raw(worker).call(STREAM) for _ in range(500)]
        for raw in clients:
            raw.until(b"data: ")
            raw.reset()
        wait_for("all have left", lambda: cancelled(worker) == 500)
        wait_for("the engine has no work", lambda: engine.running == 0)
        assert engine.aborted == aborted + 500
        assert worker.counted("forebay_engine_outstanding") == 0
        assert worker.counted("forebay_calls_in_flight") == 0
        wait_for("no socket is left", lambda: open_files(worker) <= base)
        # An engine sees that a client left a moment after the gateway did, and its place is taken by then.
        assert engine.most_running <= 4 * 8


class Firehose:
    """Sends events as fast as they are taken; `sent_bytes` tells how many were."""

    def __init__(self, events: int) -> None:
        self._events = events
        self.sent_bytes = 0

    async def __call__(self, exchange: Exchange) -> None:
        await exchange.begin_stream()
        for number in range(self._events):
            payload = b"%08d" % number + b"x" * 32_000
            await exchange.event(payload)
            self.sent_bytes += len(payload)
            await asyncio.sleep(0)
        await exchange.event(b"[DONE]")
        await exchange.end_stream()


def until_it_stands_still(hose: Firehose) -> int:
    """Wait until the engine's sending is blocked; returns what it has sent."""
    last, since = -1, time.monotonic()
    end = since + 60
    while time.monotonic() < end:
        if hose.sent_bytes != last:
            last, since = hose.sent_bytes, time.monotonic()
        elif last and time.monotonic() - since > 0.3:
            return last
        time.sleep(0.01)
    raise AssertionError("the engine is never blocked")


def test_a_client_that_stops_reading_blocks_the_engine_and_then_loses_its_call(
    engine: FakeEngine, worker: GatewayWorker
) -> None:
    engine.script = hose = Firehose(10**6)
    aborted, stalled = engine.aborted, cancelled(worker, "client_stalled")
    worker.policy(stall_s=1.0).reload()
    before = resident_bytes(worker)
    with Raw(worker, receive_bytes=4096) as raw:
        raw.call(STREAM).until(b"data: ")
        until_it_stands_still(hose)
        assert resident_bytes(worker) - before < 8 * 1024 * 1024
        wait_for("its work is aborted", lambda: engine.aborted == aborted + 1)
        wait_for("it is counted", lambda: cancelled(worker, "client_stalled") == stalled + 1)
    worker.policy(stall_s=30.0).reload()


def test_a_client_that_pauses_gets_every_event(engine: FakeEngine, worker: GatewayWorker) -> None:
    engine.script = hose = Firehose(1000)
    with Raw(worker, receive_bytes=4096) as raw:
        raw.call(STREAM)
        until_it_stands_still(hose)
        payloads = raw.answer().payloads
    assert [int(each[:8]) for each in payloads[:-1]] == list(range(1000))
    assert payloads[-1] == b"[DONE]"


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_takes_too_long_is_told_so(engine: FakeEngine, worker: GatewayWorker, stream: bool) -> None:
    engine.script = never_ends if stream else never_answers
    aborted = engine.aborted
    worker.policy(call_s=2.0 if stream else 0.3).reload()  # a stream shall have begun by then
    with Raw(worker) as raw:
        answer = raw.call(STREAM if stream else BODY).answer()
    worker.policy(call_s=120.0).reload()
    if stream:
        assert orjson.loads(answer.payloads[-1])["error"]["code"] == "deadline_exceeded"
        assert b"[DONE]" not in answer.body
    else:
        assert (answer.status, answer.code) == (504, "deadline_exceeded")
    wait_for("its work is aborted", lambda: engine.aborted == aborted + 1)


def test_a_client_that_half_closes_has_left(engine: FakeEngine, worker: GatewayWorker) -> None:
    engine.script = never_ends
    aborted = engine.aborted
    with Raw(worker) as raw:
        raw.call(STREAM).until(b"data: ")
        raw.socket.shutdown(socket.SHUT_WR)
        wait_for("its work is aborted", lambda: engine.aborted == aborted + 1)


def test_a_stream_is_not_for_head(worker: GatewayWorker) -> None:
    with Raw(worker) as raw:
        raw.send(head("HEAD", "/v1/chat/completions"))
        assert raw.answer(bodiless=True).status == 405
