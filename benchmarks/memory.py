"""Resident memory of a worker under load, and the page that says what was seen where."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.overhead.peers import Peer, logged
from benchmarks.overhead.programs import pinned
from benchmarks.overhead.report import machine
from forebay.gateway.snapshot import publish
from forebay.observe.page import read_page
from forebay.testing.worker import GatewayWorker, wait_for

RESULTS = Path(__file__).parent / "results"
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Watched:
    """A worker that runs alone on a core; `resident_bytes` and `gauge` read it from outside."""

    def __init__(self, peer: Peer, counters: Path) -> None:
        self.peer = peer
        self._counters = counters

    @property
    def resident_bytes(self) -> int:
        return int(Path(f"/proc/{self.peer.pid}/statm").read_text().split()[1]) * _PAGE_BYTES

    def gauge(self, name: str) -> float:
        """Sum of a metric over its series."""
        page = next(self._counters.glob("*.page"))
        return sum(series.values[0] for series in read_page(page) if series.metric.name == name)


def _plain(_made: GatewayWorker) -> None:
    pass


@contextmanager
def worker(
    folder: Path, cores: tuple[int, int], engine_port: int, places: int, setup: Callable[[GatewayWorker], None] = _plain
) -> Iterator[Watched]:
    """A worker with keys, checks, metrics and a log line a call, in front of one engine with `places`.

    `cores`: its own, and that of who reads its log. `setup` adds policies.
    """
    core, log_core = cores
    made = GatewayWorker(folder, [engine_port], places=places).policy(connections=max(256, places * 2), call_s=600.0)
    setup(made)
    publish(made.snapshot, made.state.snapshots)
    options = ["--state", str(folder), "--name", made.name, "--port", str(made.port)]
    argv = pinned(core, sys.executable, "-m", "forebay.gateway.worker", *options)
    with logged(argv, log_core) as pid:
        wait_for("the worker is ready", made.state.acknowledgement(made.name).exists)
        yield Watched(Peer("forebay", made.port, pid, made.key), made.state.counters)


def origin(command: str) -> list[str]:
    """Lines that say how a result came about."""
    uvloop, packages = version("uvloop"), ("forebay", "orjson", "msgspec")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    memory = os.sysconf("SC_PHYS_PAGES") * _PAGE_BYTES / 2**30
    return [
        f"- machine: {machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, {platform.machine()}",
        f"- versions: uvloop {uvloop}, {versions}",
        f"- date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        f"- command: `{command}`",
    ]
