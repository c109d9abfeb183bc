"""A gateway without a socket: real parts, one client and one engine whose transports are bytes in memory.

What a kernel does (cut bytes anywhere, stop taking them, drop a connection) a test does by hand, and every step has
happened when the call returns.
"""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import msgspec

from forebay.gateway.admission import Admission
from forebay.gateway.fleet import EngineSlot, Fleet
from forebay.gateway.ingress import ClientConnection
from forebay.gateway.meter import Meter
from forebay.gateway.parts import Parts
from forebay.gateway.siblings import Siblings
from forebay.gateway.snapshot import EngineRef, KeyRecord, ModelRef, Snapshot
from forebay.gateway.upstream import EngineConnection
from forebay.gateway.view import view_of
from forebay.observe.log import JsonLog
from forebay.observe.page import CounterPage, Series, read_page
from forebay.security.keys import digest, new_key
from forebay.testing.worker import POLICY
from forebay.wire.chunked import ChunkedDecoder

KEY, _KEY_ID, _SECRET = new_key()
CHAT = b'{"model":"m","messages":[{"role":"user","content":"x"}]}'
STREAM = CHAT[:-1] + b',"stream":true}'


class MemoryTransport(asyncio.Transport):
    """Keeps what is written. Like a real one, it tells its protocol of a loss later, here when `settle` is called."""

    def __init__(self, protocol: Any) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.protocol = protocol
        self.written = b""
        self.closing = False
        self.aborted = False
        self.ended = False
        self.paused = False
        self.unsent_bytes = 0
        protocol.connection_made(self)

    def write(self, data: Any) -> None:
        assert not self.ended, "written behind the end"
        if not self.closing:
            self.written += bytes(data)

    def write_eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.closing = self.aborted = True

    def settle(self, error: Exception | None = None) -> None:
        """The other side is gone, or an `abort` comes to pass."""
        self.closing = True
        self.protocol.connection_lost(error)

    def take(self) -> bytes:
        """What was written since the last look."""
        written, self.written = self.written, b""
        return written


class Clock:
    """Seconds that pass when told to. They begin now, since the pump reads the system's clock."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


class Gateway:
    """The parts of one worker, over one page in `folder`; `engines` are idle connections waiting for work."""

    def __init__(self, folder: Path, *, engines: int = 1, places: int = 4, **policy: Any) -> None:
        self.clock = Clock()
        self.page_path = folder / f"w.{os.getpid()}.page"
        self.page_path.unlink(missing_ok=True)  # of a gateway before this one, which may still hold it
        page = CounterPage(self.page_path)
        refs = tuple(
            EngineRef(name=f"e{n}", model="m", host="h", port=n, kind="external", max_outstanding=places, routable=True)
            for n in range(1, engines + 1)
        )
        self.snapshot = Snapshot(
            policy=msgspec.structs.replace(POLICY, log_level="error", **policy),
            workers=("w",),
            models=(ModelRef(name="m", aliases=("alias",), context_tokens=4096),),
            engines=refs,
            keys=(KeyRecord(id=_KEY_ID, digest=digest("pepper", _SECRET), tenant="t"),),
            pepper="pepper",
        )
        view = view_of("0" * 16, self.snapshot)
        self.fleet = Fleet(page, Siblings(folder, os.getpid()), self.clock)
        self.fleet.update(refs)
        admission = Admission(self.fleet, view.policy.queue_calls, self.clock)
        self.parts = Parts(view, self.fleet, admission, Meter(page), JsonLog("test", "error"), self.clock)

    @property
    def slots(self) -> tuple[EngineSlot, ...]:
        return self.fleet.by_model["m"]

    def client(self) -> MemoryTransport:
        """A client that has just connected."""
        return MemoryTransport(ClientConnection(self.parts))

    def idle_connection(self, engine: int = 0) -> MemoryTransport:
        """A kept connection to an engine; the next call to it goes there."""
        pool = self.slots[engine].pool
        connection = EngineConnection(pool)
        transport = MemoryTransport(connection)
        pool.keep(connection)
        return transport

    def call(
        self, body: bytes = CHAT, client: MemoryTransport | None = None
    ) -> tuple[MemoryTransport, MemoryTransport]:
        """A client that has sent a call, and the engine's side of it."""
        engine = self.idle_connection()
        client = client or self.client()
        feed(client, request(body))
        assert engine.written.endswith(b"}"), client.written
        engine.protocol.reused = (
            False  # a kept connection that is lost at once would be opened anew, which needs a loop
        )
        return client, engine

    def series(self) -> dict[tuple[str, ...], Series]:
        return {(each.metric.name, *each.labels): each for each in read_page(self.page_path)}

    def counted(self, name: str, *labels: str) -> float:
        found = self.series().get((name, *labels))
        return 0.0 if found is None else found.values[0]


def request(body: bytes, path: str = "/v1/chat/completions") -> bytes:
    """A whole request with a valid key."""
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def feed(transport: MemoryTransport, *pieces: bytes) -> None:
    """Let bytes arrive at `transport`'s protocol, as long as it listens."""
    for piece in pieces:
        if piece and not transport.closing and not transport.paused:
            transport.protocol.data_received(piece)


def body_of(answer: bytes) -> bytes:
    """The payload of a chunked answer; fails where the framing is broken or not complete."""
    head, _, coded = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head, answer
    decoder = ChunkedDecoder()
    payload = decoder.feed(coded)
    assert decoder.done, answer
    assert decoder.rest == b"", answer
    return payload
