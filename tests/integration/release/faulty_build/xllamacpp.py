"""A build of llama.cpp with a fault, for PYTHONPATH: the real one behind a relay that is late, or fails some calls.

FAULT_DELAY_S: how long each generation waits; FAULT_EVERY: each so-manieth generation is answered with 503;
FAULT_WORD: what every whole answer begins with.
"""

from __future__ import annotations

import http.client
import importlib.util
import itertools
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

_HERE = str(Path(__file__).parent)
_DELAY_S = float(os.environ.get("FAULT_DELAY_S", "0"))
_EVERY = int(os.environ.get("FAULT_EVERY", "0"))
_WORD = os.environ.get("FAULT_WORD", "").encode()
_GENERATED = itertools.count(1)


def _real() -> Any:
    """The build that is installed; a package whose own parts are imported by its name."""
    found = PathFinder.find_spec("xllamacpp", [path for path in sys.path if path != _HERE])
    assert found is not None
    assert found.loader is not None
    ours = sys.modules.pop("xllamacpp")
    module = importlib.util.module_from_spec(found)
    sys.modules["xllamacpp"] = module
    found.loader.exec_module(module)
    sys.modules["xllamacpp"] = ours
    return module


REAL = _real()
CommonParams = REAL.CommonParams


class Server:
    """The real server at a port of its own, a relay at the one that was asked for."""

    def __init__(self, parameters: Any) -> None:
        (host,), asked = parameters.hostnames, parameters.port
        parameters.hostnames = ["127.0.0.1"]
        with socket.create_server(("127.0.0.1", 0)) as probe:
            parameters.port = probe.getsockname()[1]
        self._server = REAL.Server(parameters)
        Relay.target = parameters.port
        relay = Listening((host, asked), Relay)
        threading.Thread(target=relay.serve_forever, daemon=True).start()
        self.listening_address = f"http://{host}:{asked}"


class Listening(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Relay(BaseHTTPRequestHandler):
    """One connection of a gateway or of the controller."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    target = 0

    def do_GET(self) -> None:
        self._pass(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        if self.path.endswith("completions"):
            if _EVERY and next(_GENERATED) % _EVERY == 0:
                self._refuse()
                return
            time.sleep(_DELAY_S)
        self._pass(body)

    def log_message(self, *_said: object) -> None:
        return

    def _refuse(self) -> None:
        self.send_response(503)
        self.send_header("content-length", "0")
        self.end_headers()

    def _garble(self, status: int, said: bytes) -> None:
        said = said.replace(b'"content":"', b'"content":"' + _WORD)
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _pass(self, body: bytes) -> None:
        own = http.client.HTTPConnection("127.0.0.1", self.target, timeout=60)
        headers = {"content-type": "application/json"} if body else {}
        own.request(self.command, self.path, body or None, headers)
        answer = own.getresponse()
        length = answer.getheader("content-length")
        if _WORD and length and body:
            self._garble(answer.status, answer.read())
            return
        self.send_response(answer.status)
        self.send_header("content-type", answer.getheader("content-type") or "application/json")
        self.send_header("content-length", length) if length else self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        while piece := answer.read1(65536):
            self.wfile.write(piece if length else b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
        if not length:
            self.wfile.write(b"0\r\n\r\n")
        own.close()
