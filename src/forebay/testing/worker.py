"""A real gateway worker under test: a snapshot, a process, its port, and what it left behind."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import msgspec
import orjson

from forebay.gateway.snapshot import EngineRef, KeyRecord, ModelRef, Policy, Snapshot, publish
from forebay.observe.page import Series, read_page
from forebay.security.keys import digest, new_key
from forebay.store.state_dir import StateDir

# Below those of engines and of outgoing connections; each of several test runs side by side has its own.
_RUN = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_PORTS = range(10_000 + _RUN * 2_000 % 8_000, 12_000 + _RUN * 2_000 % 8_000)
_GIVEN: set[int] = set()
_DICE = random.SystemRandom()

POLICY = Policy(
    service="forebay-test",
    routing="least_loaded",
    trusted_proxies=("127.0.0.1/32",),
    log_level="info",
    log_access=True,
    target_bytes=8192,
    head_bytes=32768,
    body_bytes=4 * 1024 * 1024,
    answer_bytes=4 * 1024 * 1024,
    event_bytes=256 * 1024,
    connections=2000,
    head_s=10.0,
    body_s=30.0,
    idle_s=75.0,
    connect_s=2.0,
    first_byte_s=60.0,
    chunk_s=30.0,
    stall_s=30.0,
    call_s=120.0,
    drain_s=20.0,
    queue_calls=1000,
    queue_wait_s=30.0,
    retry_attempts=3,
    retry_budget_ratio=0.2,
)


def free_port(run: int = 1) -> int:
    """A port that nobody listens on and nobody here was given before; the first of `run` in a row.

    Not one of the kernel's choice: it takes from the same ports for outgoing connections, and such a connection may
    have it again before a server does.
    """
    for port in _DICE.sample(_PORTS, len(_PORTS)):
        wanted = range(port, port + run)
        if _GIVEN.isdisjoint(wanted) and all(map(_is_free, wanted)):
            _GIVEN.update(wanted)
            return port
    raise AssertionError("no free port")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def wait_for(claim: str, true: object, deadline_s: float = 60.0) -> None:
    """Poll `true()` until it holds; AssertionError names the claim otherwise. The deadline is for a busy machine."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if callable(true) and true():
            return
        time.sleep(0.01)
    raise AssertionError(f"not within {deadline_s:g} s: {claim}")


class GatewayWorker:
    """Starts `python -m forebay.gateway.worker` on a free port; stop it by leaving the context."""

    def __init__(self, folder: Path, engine_ports: Sequence[int], *, name: str = "worker-1", places: int = 8) -> None:
        self.state = StateDir(folder)
        self.state.prepare()
        self.name = name
        self.port = free_port()
        self.key, key_id, secret = new_key()
        self.snapshot = Snapshot(
            policy=POLICY,
            workers=(name,),
            models=(ModelRef(name="m", aliases=("gpt-alias",), context_tokens=4096),),
            engines=tuple(
                EngineRef(
                    name=f"e{number}",
                    model="m",
                    host="127.0.0.1",
                    port=port,
                    kind="external",
                    max_outstanding=places,
                    routable=True,
                )
                for number, port in enumerate(engine_ports, 1)
            ),
            keys=(KeyRecord(id=key_id, digest=digest("pepper", secret), tenant="t1", scopes=("inference",)),),
            pepper="pepper",
        )
        self.process: subprocess.Popen[bytes] | None = None

    def policy(self, **changes: object) -> GatewayWorker:
        """Change the policy; takes effect at the start, or with `reload`."""
        policy = msgspec.structs.replace(self.snapshot.policy, **changes)
        self.snapshot = msgspec.structs.replace(self.snapshot, policy=policy)
        return self

    def __enter__(self) -> GatewayWorker:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)

    def start(self) -> None:
        publish(self.snapshot, self.state.snapshots)
        self.state.acknowledgement(self.name).unlink(missing_ok=True)
        arguments = ["--state", str(self.state.root), "--name", self.name, "--port", str(self.port)]
        with self.state.log(self.name).open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "forebay.gateway.worker", *arguments], stdout=log, stderr=log
            )
        wait_for("the worker is ready", lambda: self.state.acknowledgement(self.name).exists() or self._dead())

    def _dead(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError(self.state.log(self.name).read_text())
        return False

    def reload(self) -> None:
        """Publish the present snapshot and wait until the worker has taken it."""
        wanted = publish(self.snapshot, self.state.snapshots)
        self.signal(signal.SIGHUP)
        wait_for("the snapshot is taken", lambda: self.state.acknowledgement(self.name).read_text() == wanted)

    def signal(self, number: int) -> None:
        if self.process is not None:
            os.kill(self.process.pid, number)

    def connect(self) -> socket.socket:
        """A raw connection, for bytes no client library would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def post(self, fields: object, *, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, bytes]:
        """One whole call with the worker's key; returns status and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            body = fields if isinstance(fields, bytes) else orjson.dumps(fields)
            wanted = {"authorization": f"Bearer {self.key}", "content-type": "application/json", **headers}
            connection.request("POST", path, body, wanted)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def series(self) -> list[Series]:
        """Everything the worker has counted."""
        pages = sorted(self.state.counters.glob(f"{self.name}.*.page"))
        return read_page(pages[-1]) if pages else []

    def counted(self, metric: str, **labels: str) -> float:
        """Sum of a metric's series whose labels match."""
        total = 0.0
        for series in self.series():
            named = dict(zip(series.metric.labels, series.labels, strict=True))
            if series.metric.name == metric and labels.items() <= named.items():
                total += sum(series.values[:-1]) if series.metric.buckets else series.values[0]
        return total

    def log_lines(self) -> list[dict[str, object]]:
        """The worker's log, parsed, but for a line that is still being written."""
        whole, _, _ = self.state.log(self.name).read_bytes().rpartition(b"\n")
        return [orjson.loads(line) for line in whole.splitlines()]
