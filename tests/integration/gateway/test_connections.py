"""How a client's connection is used: one request after another, no slower than allowed, closed when nothing comes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.integration.gateway.raw import BODY, CHAT, STREAM, Raw, exchange, head, open_files
from tests.integration.gateway.scripts import Gate

from forebay.testing.fake_engine import FakeEngine, say_hello
from forebay.testing.worker import GatewayWorker, wait_for


@pytest.fixture(scope="module")
def hasty(engine: FakeEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayWorker]:
    """A worker that waits half a second for anything."""
    worker = GatewayWorker(tmp_path_factory.mktemp("hasty"), [engine.port])
    with worker.policy(head_s=0.5, body_s=0.5, idle_s=0.5) as running:
        yield running


def test_pipelined_requests_are_answered_in_order(worker: GatewayWorker) -> None:
    paths = ["/health", "/v1/nothing", CHAT, "/ready", "/v1/models"] * 8
    with Raw(worker) as raw:
        requests = []
        for number, path in enumerate(paths):
            headers = [f"X-Request-Id: request-{number:04d}", f"Authorization: Bearer {worker.key}"]
            if path == CHAT:
                body = STREAM if number % 2 else BODY
                requests.append(head("POST", path, f"Content-Length: {len(body)}", *headers) + body)
            else:
                requests.append(head("GET", path, *headers))
        raw.send(b"".join(requests))
        answers = [raw.answer() for _ in paths]
    assert [each.headers["x-request-id"] for each in answers] == [f"request-{n:04d}" for n in range(len(paths))]
    assert [each.status for each in answers] == [200, 404, 200, 200, 200] * 8


def test_what_is_pipelined_behind_a_call_waits_bounded(worker: GatewayWorker, engine: FakeEngine) -> None:
    engine.script = gate = Gate()
    flood = b"".join([head("GET", "/health", "X: " + "y" * 1000)] * 1000)
    with Raw(worker) as raw:
        raw.call().socket.settimeout(0.5)
        try:
            for _ in range(100):
                raw.socket.sendall(flood)
            raise AssertionError("100 MB behind a call were taken")
        except TimeoutError:
            pass
        raw.socket.settimeout(60)
        gate.is_open = True
        assert raw.answer().status == 200
        assert [raw.answer().status for _ in range(100)] == [200] * 100
    engine.script = say_hello


def test_connections_are_kept_on_both_sides(worker: GatewayWorker, engine: FakeEngine) -> None:
    assert exchange(worker, head("GET", "/health")).status == 200
    connections = engine.connections
    with Raw(worker) as raw:
        for body in [BODY, STREAM] * 10:
            assert raw.call(body).answer().status == 200
    assert engine.connections <= connections + 1


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1"])
def test_a_client_that_keeps_nothing_is_closed_behind_its_answer(worker: GatewayWorker, version: bytes) -> None:
    sent = head("GET", "/health", "Connection: close").replace(b"HTTP/1.1", version)
    with Raw(worker) as raw:
        answer = raw.send(sent).answer()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert raw.is_closed()


def test_a_body_that_waits_to_be_asked_for_is_asked_for(worker: GatewayWorker) -> None:
    with Raw(worker) as raw:
        request = raw.request(BODY, "Expect: 100-continue")
        raw.send(request[: -len(BODY)])
        assert raw.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert raw.send(BODY).answer().status == 200
        assert raw.send(request).answer().status == 200  # with its body at once: nothing to ask for


def test_a_body_that_is_refused_is_not_asked_for(worker: GatewayWorker) -> None:
    with Raw(worker) as raw:
        raw.send(head("POST", CHAT, "Content-Length: 99999999", "Expect: 100-continue"))
        assert raw.answer().code == "body_too_large"
        assert raw.is_closed()


def test_head_is_a_get_without_its_body(worker: GatewayWorker) -> None:
    with Raw(worker) as raw:
        for path in ("/health", "/ready"):
            answer = raw.send(head("HEAD", path)).answer(bodiless=True)
            assert answer.status == 200
            assert int(answer.headers["content-length"]) > 0
        assert raw.send(head("GET", "/health")).answer().body == b'{"status":"ok"}'


SLOW = {
    "nothing at all": ([], None),
    "half a head": ([head("GET", "/health")[:-2]], "head_timeout"),
    "a head byte by byte": ([bytes([byte]) for byte in head("GET", "/health", "X: " + "y" * 900)[:-2]], "head_timeout"),
    "half a body": ([head("POST", CHAT, "Content-Length: 100"), b"{"], "body_timeout"),
    "a body byte by byte": ([head("POST", CHAT, "Content-Length: 1000"), *[b"{"] * 900], "body_timeout"),
    "a body that is asked for": ([head("POST", CHAT, "Content-Length: 9", "Expect: 100-continue")], "body_timeout"),
    "idle behind an answer": ([head("GET", "/v1/nothing")], "not_found"),
}


@pytest.mark.parametrize("case", SLOW)
def test_a_client_that_is_too_slow_is_closed(hasty: GatewayWorker, case: str) -> None:
    pieces, code = SLOW[case]
    with Raw(hasty) as raw:
        for piece in pieces:
            try:
                raw.send(piece)
            except ConnectionError:
                break
            if len(pieces) > 2:
                time.sleep(0.002)
        if "asked for" in case:
            raw.until(b"\r\n\r\n")
        if code is not None:
            answer = raw.answer()
            assert answer.code == code
            if code.endswith("_timeout"):
                assert answer.status == 408
        assert raw.is_closed()


def test_connections_beyond_the_bound_are_refused_and_those_below_it_go_on(engine: FakeEngine, tmp_path: Path) -> None:
    with GatewayWorker(tmp_path, [engine.port]).policy(connections=5) as worker:
        kept = [Raw(worker) for _ in range(5)]
        for raw in kept:
            assert raw.send(head("GET", "/health")).answer().status == 200
        with Raw(worker) as beyond:
            assert beyond.is_closed()
        for raw in kept:
            assert raw.send(head("GET", "/health")).answer().status == 200
            raw.socket.close()


def test_no_descriptor_is_left(hasty: GatewayWorker) -> None:
    wait_for("connections are gone", lambda: hasty.counted("forebay_connections") == 0)
    base = open_files(hasty)
    for _ in range(50):
        with Raw(hasty) as raw:
            raw.send(b"GET / HT")
    wait_for("no descriptor is left", lambda: open_files(hasty) <= base)
