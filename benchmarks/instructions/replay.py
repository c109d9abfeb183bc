"""Carries calls without a socket: `benchmarks.instructions.replay whole|limited|stream CALLS LIBRARY`.

Runs under callgrind. Everything before the first counted call (imports, warming up) is left out.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.overhead import stages
from benchmarks.overhead.peers import limited
from benchmarks.overhead.rounds import request_bytes
from forebay.gateway.ingress import ClientConnection
from forebay.testing.fake_engine import delta
from forebay.testing.worker import GatewayWorker
from forebay.wire.chunked import LAST_CHUNK, chunk

EVENTS = 64
_WARM_CALLS = 50
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: e\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)


def carrier(kind: str, folder: Path) -> Callable[[], object]:
    """What carries one call of `kind` from one transport to the other and back."""
    worker = GatewayWorker(folder, [1, 2], places=256)
    received = request_bytes(worker.port, worker.key, stream=kind == "stream")
    parts = stages.parts_of(limited(worker) if kind == "limited" else worker, folder)
    client = ClientConnection(parts)
    client.connection_made(stages.Nowhere())  # type: ignore[arg-type]
    pieces = _stream() if kind == "stream" else [stages.whole_answer()]
    return stages.whole_path(client, parts, received, *pieces)


def main(kind: str, calls: int, library: str) -> None:
    """Warm up, then count."""
    switch = ctypes.CDLL(library)
    with tempfile.TemporaryDirectory(prefix="forebay-replay-") as folder:
        carry = carrier(kind, Path(folder))
        for _ in range(_WARM_CALLS):
            carry()
        gc.collect()
        gc.disable()  # when it runs depends on what was imported, not on the path
        switch.count_on()
        for _ in range(calls):
            carry()
        switch.count_off()
    sys.stdout.flush()
    os._exit(0)  # tearing the interpreter down under callgrind takes longer than the measurement


def _stream() -> list[bytes]:
    events = [chunk(b"data: " + delta(" word") + b"\n\n") for _ in range(EVENTS)]
    return [_STREAM_HEAD, *events, chunk(b"data: [DONE]\n\n") + LAST_CHUNK]


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
