"""A client's connection in memory: what happens within one turn of the loop, which a socket cannot show."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.in_memory import CHAT, STREAM, Gateway, body_of, feed, request

from forebay.testing.fake_engine import completion
from forebay.wire.chunked import LAST_CHUNK, chunk

HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(completion("x")), completion("x"))
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path)


def test_a_client_that_stalls_pauses_its_engine_and_goes_on_when_it_reads(gateway: Gateway) -> None:
    client, engine = gateway.call(STREAM)
    feed(engine, STREAM_HEAD + chunk(b"data: 1\n\n"))
    client.protocol.pause_writing()
    assert engine.paused
    gateway.clock.now += 29
    assert client.protocol.deadline > gateway.clock.now
    client.protocol.resume_writing()
    assert not engine.paused
    feed(engine, chunk(b"data: [DONE]\n\n") + LAST_CHUNK)
    assert body_of(client.take()) == b"data: 1\n\ndata: [DONE]\n\n"


def test_a_client_that_stalls_too_long_loses_its_call(gateway: Gateway) -> None:
    client, engine = gateway.call(STREAM)
    feed(engine, STREAM_HEAD + chunk(b"data: 1\n\n"))
    client.protocol.pause_writing()
    gateway.clock.now += 31
    assert client.protocol.deadline < gateway.clock.now
    client.protocol.expire(gateway.clock.now)
    assert (client.aborted, engine.aborted) == (True, True)
    assert gateway.slots[0].outstanding == 0
    client.settle()
    engine.settle()
    assert gateway.counted("vllm_requests_total", "POST", "/v1/chat/completions", "499") == 1
    assert gateway.counted("forebay_cancelled_total", "client_stalled") == 1


def test_an_engine_that_was_paused_is_not_paused_for_the_next_call(gateway: Gateway) -> None:
    client, engine = gateway.call(STREAM)
    feed(engine, STREAM_HEAD + chunk(b"data: 1\n\n"))
    client.protocol.pause_writing()
    engine.paused = False  # the last bytes were on their way already
    feed(engine, chunk(b"data: [DONE]\n\n") + LAST_CHUNK)
    assert gateway.slots[0].pool.take() is engine.protocol
    assert not engine.protocol.paused


def test_bytes_from_an_engine_that_has_no_call_end_its_connection(gateway: Gateway) -> None:
    client, engine = gateway.call()
    feed(engine, ANSWER)
    assert client.take().endswith(completion("x"))
    feed(engine, b"HTTP/1.1 200 OK\r\n\r\n")
    assert engine.aborted
    assert gateway.slots[0].pool.take() is None


def test_a_call_that_was_aborted_takes_no_pipelined_request(gateway: Gateway) -> None:
    async def run() -> None:
        client, engine = gateway.call(STREAM)
        feed(engine, STREAM_HEAD + chunk(b"data: 1\n\n"))
        feed(client, request(CHAT))
        spare = gateway.idle_connection()
        client.protocol.pause_writing()
        gateway.clock.now += 31
        client.protocol.expire(gateway.clock.now)
        await asyncio.sleep(0)
        assert spare.take() == b""

    asyncio.run(run())


def test_a_client_that_reads_slowly_keeps_its_last_answer(gateway: Gateway) -> None:
    client = gateway.client()
    client.unsent_bytes = 10_000
    feed(client, HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert client.ended
    assert client.protocol.deadline == pytest.approx(gateway.clock.now + 30)
    client.protocol.resume_writing()
    assert client.protocol.deadline == pytest.approx(gateway.clock.now + 2)


def test_what_comes_behind_a_refused_frame_is_not_read(gateway: Gateway) -> None:
    client = gateway.client()
    feed(client, b"nonsense\r\n", HEALTH, HEALTH)
    assert client.take().count(b"HTTP/1.1 ") == 1
    assert client.ended
    gateway.clock.now += 3
    client.protocol.expire(gateway.clock.now)
    assert client.aborted


def test_a_client_that_leaves_is_settled_once(gateway: Gateway) -> None:
    client, engine = gateway.call(STREAM)
    feed(engine, STREAM_HEAD + chunk(b"data: 1\n\n"))
    client.settle()
    engine.settle()
    assert engine.aborted
    assert gateway.counted("forebay_calls_in_flight") == 0
    assert gateway.counted("vllm_requests_total", "POST", "/v1/chat/completions", "499") == 1
    assert gateway.parts.clients == set()


def test_the_silence_between_two_requests_is_no_part_of_the_second(gateway: Gateway) -> None:
    async def run() -> None:
        client = gateway.client()
        feed(client, HEALTH, HEALTH[:10])
        gateway.clock.now += 50
        feed(client, HEALTH[10:], HEALTH + HEALTH)
        await asyncio.sleep(0)
        gateway.clock.now += 50
        feed(client, HEALTH)

    asyncio.run(run())
    duration = gateway.series()[("vllm_request_duration_seconds", "GET", "/health")]
    assert sum(duration.values[:-1]) == 5
    assert duration.values[-1] == pytest.approx(50)


def test_a_connection_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, connections=1)
    first, second = gateway.client(), gateway.client()
    assert (first.aborted, second.aborted) == (False, True)
    second.settle()
    first.settle()
    assert not gateway.client().aborted
