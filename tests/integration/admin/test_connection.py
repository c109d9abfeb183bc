"""The admin process on its sockets: framing as strict as the gateway's, slow clients let go, connections bounded."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.integration.gateway.test_framing import BROKEN

from forebay.store.state_dir import StateDir
from forebay.testing.worker import free_port, wait_for

pytestmark = pytest.mark.timeout(120)


class Admin(NamedTuple):
    port: int
    metrics_port: int


def connects(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 5):
        return True
    return False


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Admin]:
    state = StateDir(tmp_path_factory.mktemp("admin") / ".forebay")
    state.prepare()
    found = Admin(free_port(), free_port())
    ports = ["--port", str(found.port), "--metrics-port", str(found.metrics_port)]
    argv = [sys.executable, "-m", "forebay.admin.main", "--state", str(state.root), *ports]
    with (Path(state.root) / "admin.log").open("wb") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            wait_for("both ports listen", lambda: connects(found.port) and connects(found.metrics_port))
            yield found
        finally:
            process.terminate()
            process.wait(30)


def received(connection: socket.socket) -> bytes:
    content = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65536):
            content += piece
    return content


def exchange(port: int, sent: bytes) -> bytes:
    """All that comes back until the connection ends."""
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        return received(connection)


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_frame_is_refused_as_at_the_gateway(admin: Admin, case: str) -> None:
    sent, status, code = BROKEN[case]
    answer = exchange(admin.port, sent + b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
    if not answer and len(sent) > 60_000:
        return  # closed over what was still on its way
    head, _, body = answer.partition(b"\r\n\r\n")
    assert (int(head.split(b" ")[1]), json.loads(body)["error"]["code"]) == (status, code)
    assert answer.count(b"HTTP/1.1 4") + answer.count(b"HTTP/1.1 5") + answer.count(b"HTTP/1.1 2") == 1, (
        "what came behind was not read"
    )


def test_a_sound_request_is_answered_and_its_connection_kept(admin: Admin) -> None:
    request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert exchange(admin.port, request + request + last).count(b'{"status":"ok"}') == 3
    for host in (b"localhost", b"127.0.0.1:9090", b"[::1]:9090"):
        page = exchange(admin.metrics_port, last.replace(b"/health", b"/metrics").replace(b"localhost", host))
        assert b"forebay_build_info" in page


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"])
def test_a_rebound_name_reads_nothing(admin: Admin, host: str) -> None:
    """A page of another site whose name suddenly leads here: the metrics page asks for no key."""
    for port, path in ((admin.metrics_port, "/metrics"), (admin.port, "/health")):
        answer = exchange(port, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"forebay_" not in answer


def test_no_other_protocol_is_spoken(admin: Admin) -> None:
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x"
    answer = exchange(admin.port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n\r\n")
    assert b" 101 " not in answer.split(b"\r\n")[0]


HALVES = (
    b"",
    b"GET /health HT",
    b"POST /v1/keys HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
)


@pytest.mark.long
def test_whoever_does_not_finish_is_let_go(admin: Admin) -> None:
    with contextlib.ExitStack() as held:
        waiting = []
        for port in admin:
            for sent in HALVES:
                connection = held.enter_context(socket.create_connection(("127.0.0.1", port), 60))
                connection.sendall(sent)
                waiting.append(connection)
        assert not [said for connection in waiting if b"200 OK" in (said := received(connection))]


def test_connections_are_bounded_and_free_again(admin: Admin) -> None:
    last = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with contextlib.ExitStack() as held:
        for _ in range(400):
            held.enter_context(socket.create_connection(("127.0.0.1", admin.metrics_port), 60))
        assert exchange(admin.metrics_port, last) == b"", "beyond the bound nobody is served"
    wait_for("it answers", lambda: b"forebay_build_info" in exchange(admin.metrics_port, last))
