"""The mock engine and the load generator: small C programs, so that neither is what gets measured."""

from __future__ import annotations

import hashlib
import http.client
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forebay.testing.worker import free_port

_SOURCES = Path(__file__).parent
CACHE = _SOURCES.parents[1] / ".benchmarks" / "programs"
REQUESTS_AT_ONCE = 32
STREAMS_AT_ONCE = 50
EVENTS_A_STREAM = 64
_INTERVAL_US = 5000


def program(name: str) -> Path:
    """Path of a compiled program; compiled when its source is new. CalledProcessError where cc refuses."""
    source = _SOURCES / f"{name}.c"
    binary = CACHE / f"{name}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if not binary.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-Wall", "-o", str(binary), str(source), "-lm"], check=True)
    return binary


def pinned(core: int, *argv: str) -> list[str]:
    """The command line that runs `argv` on one core."""
    return ["taskset", "-c", str(core), *argv]


class MockEngine:
    """A running mock engine; `counts` tells what it did since the last time it was asked."""

    def __init__(self, port: int) -> None:
        self.port = port

    def counts(self) -> dict[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/")
            found: dict[str, int] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return found


@contextmanager
def mock_engine(core: int, interval_us: int = _INTERVAL_US) -> Iterator[MockEngine]:
    """Run the mock engine on `core`; a stream's events come `interval_us` apart."""
    port = free_port()
    with subprocess.Popen(pinned(core, str(program("engine")), str(port), str(interval_us))) as process:
        try:
            await_port(port)
            yield MockEngine(port)
        finally:
            process.kill()


def load(core: int, port: int, answers: int, request: Path, *, stream: bool) -> None:
    """Send `request` until `answers` are in; RuntimeError unless every one is right."""
    connections, apart_us = (STREAMS_AT_ONCE, _INTERVAL_US // STREAMS_AT_ONCE) if stream else (REQUESTS_AT_ONCE, 0)
    argv = pinned(core, str(program("load")), *map(str, (port, connections, answers, request, apart_us)))
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode or json.loads(done.stdout) != {"answers": answers, "bad": 0}:
        raise RuntimeError(f"the load did not go through: {done.stdout} {done.stderr}")


def await_port(port: int, deadline_s: float = 20.0) -> None:
    """Wait until somebody listens on `port`; TimeoutError otherwise."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        try:
            connection.connect()
        except OSError:
            time.sleep(0.02)
        else:
            return
        finally:
            connection.close()
    raise TimeoutError(f"nobody listens on port {port}")
