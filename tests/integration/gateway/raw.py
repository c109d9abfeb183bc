"""Bytes to a worker and back, with nothing in between that would mend or refuse them."""

from __future__ import annotations

import contextlib
import socket
import struct
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import orjson

from forebay.testing.worker import GatewayWorker
from forebay.wire.chunked import ChunkedDecoder
from forebay.wire.sse import data_of, events

CHAT = "/v1/chat/completions"
FIELDS: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
BODY = orjson.dumps(FIELDS)
STREAM = orjson.dumps({**FIELDS, "stream": True})


class Answer(NamedTuple):
    """A whole answer; `headers` by lower-case name."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """forebay's error code."""
        found: str = orjson.loads(self.body)["error"]["code"]
        return found

    @property
    def payloads(self) -> list[bytes]:
        """The data of each event of a stream."""
        return [data_of(each) for each in events(self.body)]


class Raw:
    """One connection to a worker. Every read has a deadline of 60 s."""

    def __init__(self, worker: GatewayWorker, *, receive_bytes: int = 0) -> None:
        self.socket = socket.socket()
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(60)
        self.socket.connect(("127.0.0.1", worker.port))
        self._key = worker.key
        self._held = b""

    def __enter__(self) -> Raw:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> Raw:
        for piece in pieces:
            self.socket.sendall(piece)
        return self

    def call(self, body: bytes = BODY, *headers: str, path: str = CHAT) -> Raw:
        """Send a whole valid request."""
        return self.send(self.request(body, *headers, path=path))

    def request(self, body: bytes = BODY, *headers: str, path: str = CHAT) -> bytes:
        return head("POST", path, f"Content-Length: {len(body)}", f"Authorization: Bearer {self._key}", *headers) + body

    def until(self, end: bytes) -> bytes:
        """Everything up to and with `end`."""
        while end not in self._held:
            received = self.socket.recv(65536)
            if not received:
                raise EOFError(f"after {len(self._held)} bytes")
            self._held += received
        at = self._held.index(end) + len(end)
        found, self._held = self._held[:at], self._held[at:]
        return found

    def head(self) -> tuple[int, dict[str, str]]:
        first, *lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines if line)
        return int(first.split(" ")[1]), {name.lower(): value.strip() for name, _, value in pairs}

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next whole answer; fails where its framing is not complete."""
        status, headers = self.head()
        if bodiless:
            return Answer(status, headers, b"")
        if headers.get("transfer-encoding") != "chunked":
            return Answer(status, headers, self._exactly(int(headers["content-length"])))
        decoder, body = ChunkedDecoder(), bytearray()
        received, self._held = self._held, b""
        while True:
            body += decoder.feed(received)
            if decoder.done:
                self._held = decoder.rest
                return Answer(status, headers, bytes(body))
            received = self.socket.recv(65536)
            if not received:
                raise EOFError(f"after {len(body)} bytes")

    def _exactly(self, size: int) -> bytes:
        while len(self._held) < size:
            received = self.socket.recv(65536)
            if not received:
                raise EOFError(f"after {len(self._held)} bytes")
            self._held += received
        found, self._held = self._held[:size], self._held[size:]
        return found

    def is_closed(self) -> bool:
        """Whether the worker ends the connection without a further byte. Waits for it."""
        if self._held:
            return False
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def reset(self) -> None:
        """Leave as a killed client does."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


def head(method: str, path: str, *headers: str) -> bytes:
    """A request's head with a Host and a JSON content type."""
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway", "Content-Type: application/json", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def exchange(worker: GatewayWorker, sent: bytes) -> Answer:
    """Send bytes on a connection of their own, read one answer."""
    with Raw(worker) as raw:
        with contextlib.suppress(ConnectionError):  # refused and closed while we still send
            raw.send(sent)
        return raw.answer()


def open_files(worker: GatewayWorker) -> int:
    assert worker.process is not None
    return len(list(Path(f"/proc/{worker.process.pid}/fd").iterdir()))


def resident_bytes(worker: GatewayWorker) -> int:
    assert worker.process is not None
    text = Path(f"/proc/{worker.process.pid}/status").read_text()
    return int(text.partition("VmRSS:")[2].split()[0]) * 1024
