"""A real nginx or HAProxy with forebay's configuration, and clients that speak to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from forebay.config.schema import Config
from forebay.render.edge import edge_unit, write_edge
from forebay.render.edge_programs import PROGRAMS
from forebay.store.state_dir import StateDir
from forebay.testing.worker import free_port

DEADLINE_S = 60.0
MASKS = {"SigCgt", "SigBlk"}


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)["error"]
        return found


class Edge:
    """The edge under test. `config` changes by `write`, and is taken by `reload`."""

    def __init__(self, root: Path, kind: str, worker_ports: list[int], **sections: Any) -> None:
        self.kind = kind
        self.state = StateDir(root / ".forebay")
        self.state.prepare()
        self.worker_ports = worker_ports
        self.https_port, self.http_port = free_port(), free_port()
        self.config = self.configured(**sections)
        self.write()
        self._log = (root / "edge.log").open("ab")
        unit = edge_unit(self.config, self.state)
        self.program = subprocess.Popen(
            unit.argv, env=unit.env, cwd=self.state.root, stderr=self._log, stdin=subprocess.DEVNULL
        )
        until(lambda: connects(self.https_port), "the edge listens")
        until(self.hears, "the edge hears signals")

    def configured(
        self,
        edge: dict[str, Any] | None = None,
        gateway: dict[str, Any] | None = None,
        environment: str = "development",
    ) -> Config:
        ports = {"https_port": self.https_port, "http_port": self.http_port}
        return Config.model_validate(
            {
                "version": 1,
                "environment": environment,
                "models": {"m": {"engines": [{"kind": "embedded"}]}},
                "edge": {"kind": self.kind} | ports | (edge or {}),
                "gateway": gateway or {},
            }
        )

    def write(self) -> bool:
        return write_edge(self.config, self.state, self.worker_ports)

    def reload(self) -> None:
        """SIGHUP, then wait until new connections meet new workers."""
        before = self.workers()
        self.program.send_signal(signal.SIGHUP)
        until(lambda: self.workers() - before, "new workers run")
        until(self.hears, "the edge hears signals again")

    def hears(self) -> bool:
        """Whether a signal would be heard: HAProxy's processes are deaf for some milliseconds after they were made."""
        if self.kind != "haproxy":
            return True
        return hears(self.program.pid, signal.SIGUSR2) and all(hears(pid, signal.SIGUSR1) for pid in self.workers())

    def workers(self) -> set[int]:
        children = Path(f"/proc/{self.program.pid}/task/{self.program.pid}/children").read_text()
        return {int(pid) for pid in children.split()}

    @property
    def conf(self) -> Path:
        return self.state.edge / PROGRAMS[self.kind].conf

    def log(self) -> str:
        return Path(self._log.name).read_text()

    def trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.state.tls / "ca.pem"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("localhost", self.https_port, context=self.trust(), timeout=DEADLINE_S)

    def call(self, method: str, target: str, body: Any = None, headers: dict[str, str] | None = None) -> Answer:
        connection = self.connect()
        try:
            connection.request(method, target, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def announce(self, target: str, length: int, headers: dict[str, str] | None = None) -> Answer:
        """Announce a body and send none of it: an edge may close before it has read what it refuses."""
        return self.call("POST", target, None, (headers or {}) | {"Content-Length": str(length)})

    def raw(self, request: bytes) -> bytes:
        """Send bytes as they are; everything that comes back until the edge closes.

        An edge that refuses answers and closes before it has read the rest. A TLS socket whose write fails does not
        read any more, so the two directions are kept apart here.
        """
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.trust().wrap_bio(incoming, outgoing, server_hostname="localhost")
        with socket.create_connection(("127.0.0.1", self.https_port), DEADLINE_S) as plain:
            while not _handshaken(tls):
                plain.sendall(outgoing.read())
                incoming.write(plain.recv(65536))
            tls.write(request)
            with contextlib.suppress(ConnectionError):
                plain.sendall(outgoing.read())
            incoming.write(drained(plain))
            return _decrypted(tls)

    def tls_socket(self, alpn: str = "http/1.1") -> ssl.SSLSocket:
        context = self.trust()
        context.set_alpn_protocols([alpn])
        plain = socket.create_connection(("127.0.0.1", self.https_port), DEADLINE_S)
        return context.wrap_socket(plain, server_hostname="localhost")

    def stop(self) -> None:
        try:
            until(self._ended, "the edge ends")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.program.pid, signal.SIGKILL) if self.program.poll() is None else None
            self._log.close()

    def _ended(self) -> bool:
        # Asked again and again: a HAProxy that is starting forgets what it was told.
        self.program.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.program.wait(2)
        return self.program.poll() is not None


@contextlib.contextmanager
def edge(root: Path, kind: str, worker_ports: list[int], **sections: Any) -> Iterator[Edge]:
    """A running edge, stopped at the end."""
    running = Edge(root, kind, worker_ports, **sections)
    try:
        yield running
    finally:
        running.stop()


def until(claim: Callable[[], object], what: str) -> None:
    """Wait for a claim to hold; the deadline is for a machine that is very busy."""
    end_s = time.monotonic() + DEADLINE_S
    while not claim():
        assert time.monotonic() < end_s, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.01)


def _handshaken(tls: ssl.SSLObject) -> bool:
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _decrypted(tls: ssl.SSLObject) -> bytes:
    received = b""
    with contextlib.suppress(ssl.SSLError):
        while piece := tls.read(65536):
            received += piece
    return received


def hears(pid: int, number: int) -> bool:
    """Whether the process catches a signal, and does not put it off."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except FileNotFoundError:
        return True  # it has ended since
    masks = {name: int(text, 16) for name, _, text in (line.partition(":\t") for line in lines) if name in MASKS}
    bit = 1 << (number - 1)
    return bool(masks["SigCgt"] & bit) and not masks["SigBlk"] & bit


def drained(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError, ssl.SSLError):
        while piece := connection.recv(65536):
            received += piece
    return received


def connects(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
