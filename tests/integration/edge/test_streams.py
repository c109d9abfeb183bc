"""Claims about streams, clients that leave, workers that die, and reloads, with a real nginx and a real HAProxy."""

from __future__ import annotations

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from tests.integration.edge import fake_gateway, real_edge
from tests.integration.edge.fake_gateway import FakeGateway
from tests.integration.edge.real_edge import DEADLINE_S, Edge, drained, until

from forebay.core.errors import ConfigError, RunError
from forebay.testing.worker import free_port

FAKE = Path(fake_gateway.__file__)
_STREAMS = 200


@pytest.fixture
def own_gateway() -> Iterator[FakeGateway]:
    with fake_gateway.running() as fake:
        yield fake


@pytest.fixture
def own_edge(kind: str, own_gateway: FakeGateway, tmp_path: Path) -> Iterator[Edge]:
    with real_edge.edge(tmp_path, kind, [own_gateway.port]) as running:
        yield running


@pytest.fixture
def hasty_edge(kind: str, own_gateway: FakeGateway, tmp_path: Path) -> Iterator[Edge]:
    """For tests that are slow on purpose: any other may be, on a busy machine."""
    timeouts = {"client_header_timeout": "500ms", "client_body_timeout": "500ms"}
    with real_edge.edge(tmp_path, kind, [own_gateway.port], edge=timeouts) as running:
        yield running


def open_stream(edge: Edge) -> tuple[http.client.HTTPSConnection, http.client.HTTPResponse]:
    connection = edge.connect()
    connection.request("GET", "/events")
    return connection, connection.getresponse()


def test_an_event_arrives_before_the_gateway_sends_the_next_one(own_edge: Edge, own_gateway: FakeGateway) -> None:
    connection, response = open_stream(own_edge)
    assert response.read1() == b"data: first\n\n"  # the gateway waits for us: nothing may hold this back
    own_gateway.more.release()
    assert response.read() == b"data: second\n\n"
    connection.close()


def test_a_client_that_leaves_is_noticed_by_the_gateway(own_edge: Edge, own_gateway: FakeGateway) -> None:
    connection, response = open_stream(own_edge)
    response.read1()
    response.close()
    connection.close()
    assert own_gateway.left.acquire(timeout=DEADLINE_S)


def test_a_reload_under_many_streams_drops_none_and_new_calls_meet_the_new_configuration(
    own_edge: Edge, own_gateway: FakeGateway
) -> None:
    streams = [open_stream(own_edge) for _ in range(_STREAMS)]
    assert [response.read1() for _connection, response in streams] == [b"data: first\n\n"] * _STREAMS
    before = serial(own_edge)
    own_edge.config = own_edge.configured(edge={"hsts": "1d", "server_names": ["localhost", "127.0.0.1", "edge.test"]})
    assert own_edge.write()
    own_edge.reload()
    until(lambda: own_edge.call("GET", "/echo").headers["strict-transport-security"] == "max-age=86400", "new answers")
    assert serial(own_edge) != before
    for _ in streams:
        own_gateway.more.release()
    assert [response.read() for _connection, response in streams] == [b"data: second\n\n"] * _STREAMS
    for connection, _response in streams:
        connection.close()


def test_unchanged_files_need_no_reload(own_edge: Edge) -> None:
    assert own_edge.write() is False


def test_what_the_program_refuses_leaves_the_old_files_and_the_old_service(own_edge: Edge) -> None:
    conf = own_edge.conf
    before = conf.read_bytes()
    own_edge.config = own_edge.configured(edge={"bind": "203.0.113.1"})  # not an address of this machine
    with pytest.raises(RunError, match=r"203\.0\.113\.1") as refusal:
        own_edge.write()
    assert refusal.value.code == "edge_refused"
    assert conf.read_bytes() == before
    assert own_edge.call("GET", "/echo").status == 200


@pytest.mark.parametrize("damage", ["mismatch", "half", "missing", "not PEM"])
def test_a_bad_certificate_is_refused_and_the_old_one_stays(own_edge: Edge, tmp_path: Path, damage: str) -> None:
    tls, chain, key = own_edge.state.tls, tmp_path / "chain.pem", tmp_path / "key.pem"
    content, before = (tls / "server.pem").read_bytes(), serial(own_edge)
    key.write_bytes((tls / ("ca-key.pem" if damage == "mismatch" else "server-key.pem")).read_bytes())
    key.chmod(0o600)
    if damage != "missing":
        chain.write_bytes({"half": content[: len(content) // 2], "not PEM": b"\0"}.get(damage, content))
    conf = (own_edge.conf).read_bytes()
    own_edge.config = own_edge.configured(edge={"certificate": {"chain": str(chain), "key": f"file:{key}"}})
    with pytest.raises(ConfigError) as refusal:
        own_edge.write()
    assert refusal.value.findings
    assert (own_edge.conf).read_bytes() == conf
    own_edge.reload()  # even now, what is served is the certificate that was checked
    assert serial(own_edge) == before


def test_a_header_that_does_not_end_is_cut_off(hasty_edge: Edge) -> None:
    with hasty_edge.tls_socket() as tls:
        tls.sendall(b"GET /echo HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        said = drained(tls)
    assert said[:12] == (b"" if hasty_edge.kind == "nginx" else b"HTTP/1.1 408")
    until(lambda: answers(hasty_edge), "others are served")


def test_a_body_that_stops_is_cut_off_and_never_held_a_worker(hasty_edge: Edge, own_gateway: FakeGateway) -> None:
    with hasty_edge.tls_socket() as tls:
        tls.sendall(b"POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        drained(tls)
    assert own_gateway.targets == []


@pytest.mark.parametrize("many", [200, pytest.param(5000, marks=pytest.mark.long)])
def test_half_open_handshakes_are_closed_and_do_not_keep_others_out(
    kind: str, own_gateway: FakeGateway, tmp_path: Path, many: int
) -> None:
    # nginx counts a handshake to the head of a request, HAProxy to what a client leaves unread.
    timeouts = {"client_header_timeout": "500ms", "send_timeout": "3s"}
    with real_edge.edge(tmp_path, kind, [own_gateway.port], edge=timeouts) as edge:
        idle = [socket.create_connection(("127.0.0.1", edge.https_port), DEADLINE_S) for _ in range(many)]
        for plain in idle:
            plain.sendall(b"\x16\x03\x01")  # the first bytes of a ClientHello that never comes
        until(lambda: answers(edge), "others are served")
        for plain in idle:
            assert drained(plain) in {b"", b"\x15\x03\x01\x00\x02\x02\x32"}
            plain.close()


@pytest.fixture
def two_workers() -> Iterator[list[tuple[int, subprocess.Popen[bytes]]]]:
    ports = [free_port(), free_port()]
    workers = [(port, spawn(port)) for port in ports]
    try:
        yield workers
    finally:
        for _port, worker in workers:
            worker.kill()
            worker.wait()


def spawn(port: int) -> subprocess.Popen[bytes]:
    worker = subprocess.Popen([sys.executable, str(FAKE), str(port)])
    until(lambda: real_edge.connects(port), "the worker listens")
    return worker


def test_no_call_is_lost_when_a_worker_is_killed_under_load_and_comes_back(
    kind: str, two_workers: list[tuple[int, subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    statuses: list[int] = []
    enough = threading.Event()
    with real_edge.edge(tmp_path, kind, [port for port, _worker in two_workers]) as edge:

        def client() -> None:
            connection = edge.connect()
            while not enough.is_set():
                connection.request("POST", "/slow", b"{}")
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
            connection.close()

        clients = [threading.Thread(target=client) for _ in range(8)]
        for thread in clients:
            thread.start()
        try:
            for place in (0, 1):
                mark = len(statuses)  # enough for both workers to have taken some, also the one that came back
                until(lambda mark=mark: len(statuses) > mark + 80, "calls flow")
                port, worker = two_workers[place]
                worker.kill()
                worker.wait()
                mark = len(statuses)
                until(lambda mark=mark: len(statuses) > mark + 20, "calls flow without it")
                two_workers[place] = (port, spawn(port))
        finally:
            enough.set()
            for thread in clients:
                thread.join()
        assert set(statuses) == {200}
        until(lambda: "retried on another worker" in edge.log(), "the log tells of the retries")


def test_without_any_worker_the_answer_is_an_openai_shaped_502(kind: str, tmp_path: Path) -> None:
    with real_edge.edge(tmp_path, kind, [free_port(), free_port()]) as edge:
        for body in (b"{}", iter([b"{}"])):
            answer = edge.call("POST", "/v1/chat/completions", body)
            assert (answer.status, answer.error["code"]) == (502, "gateway_unreachable")
            assert answer.headers["retry-after"] == "1"
            assert "strict-transport-security" in answer.headers
        until(lambda: edge.log().count('"message":"the gateway did not answer"') >= 1, "the log tells of it")


def answers(edge: Edge) -> bool:
    """Whether a call is answered; one that a busy machine keeps for longer than the edge waits is none."""
    try:
        return edge.call("GET", "/echo").status == 200
    except (OSError, http.client.HTTPException):
        return False


def serial(edge: Edge) -> int:
    with edge.tls_socket() as tls:
        certificate = tls.getpeercert(binary_form=True)
    assert certificate is not None
    return x509.load_der_x509_certificate(certificate).serial_number
