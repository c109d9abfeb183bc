"""Some workers, each on its own port and core, loaded at once."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks.overhead.cpu import spent
from benchmarks.overhead.peers import Peer, logged
from benchmarks.overhead.programs import MockEngine, load, pinned
from benchmarks.overhead.rounds import request_bytes
from benchmarks.scaling.places import Place
from forebay.gateway.snapshot import publish
from forebay.observe.catalogue import LOG_DROPPED, REQUESTS
from forebay.observe.page import read_page
from forebay.testing.worker import GatewayWorker, free_port, wait_for

_WARM_REQUESTS = 3000
_PLACES = 256


class Setting(msgspec.Struct, frozen=True):
    """How many workers; `apart`: in state directories of their own, so that they share nothing but the machine."""

    workers: int
    apart: bool = False

    def __str__(self) -> str:
        return f"{self.workers}, knowing nothing of one another" if self.apart else str(self.workers)


class Run(msgspec.Struct, frozen=True):
    """What some workers did together. `cpu_us` is what a request cost them; `busy` how much of their cores they had."""

    requests_a_s: float
    cpu_us: float
    system_us: float
    busy: float


class _Service:
    """Workers over one state directory, in front of every engine; keys, checks, metrics and a log line a call."""

    def __init__(self, folder: Path, at: Sequence[Place], engines: Sequence[MockEngine]) -> None:
        self.made = GatewayWorker(folder, [engine.port for engine in engines], places=_PLACES)
        self.names = tuple(f"worker-{number}" for number in range(1, len(at) + 1))
        self._at = at

    @contextmanager
    def running(self) -> Iterator[list[_Loaded]]:
        state = self.made.state
        publish(msgspec.structs.replace(self.made.snapshot, workers=self.names), state.snapshots)
        with ExitStack() as stack:
            loaded = []
            for name, place in zip(self.names, self._at, strict=True):
                port = free_port()
                options = ["--state", str(state.root), "--name", name, "--port", str(port)]
                argv = pinned(place.worker, sys.executable, "-m", "forebay.gateway.worker", *options)
                pid = stack.enter_context(logged(argv, place.load))
                wait_for(f"{name} is ready", state.acknowledgement(name).exists)
                page = next(state.counters.glob(f"{name}.*.page"))
                loaded.append(_Loaded(Peer(name, port, pid, self.made.key), place.load, page))
            yield loaded
            lost = sum(each.counted(LOG_DROPPED.name) for each in loaded)
            if lost:
                raise RuntimeError(f"a log that loses lines is cheap: {lost:.0f} were dropped")


class _Loaded:
    """A running worker, and the load on it."""

    def __init__(self, peer: Peer, load_core: int, page: Path) -> None:
        self.peer = peer
        self._core = load_core
        self._page = page
        self._request = page.with_suffix(".http")
        self._request.write_bytes(request_bytes(peer.port, peer.key, stream=False))

    def ask(self, requests: int) -> None:
        load(self._core, self.peer.port, requests, self._request, stream=False)

    def counted(self, metric: str) -> float:
        return sum(series.values[0] for series in read_page(self._page) if series.metric.name == metric)


def run(setting: Setting, folder: Path, at: Sequence[Place], engines: Sequence[MockEngine], requests: int) -> Run:
    """Load the workers of `setting`, each with `requests`. RuntimeError where an answer was wrong."""
    at = at[: setting.workers]
    groups = [[place] for place in at] if setting.apart else [list(at)]
    with ExitStack() as stack:
        loaded = []
        for number, group in enumerate(groups):
            loaded += stack.enter_context(_Service(folder / str(number), group, engines).running())
        return _measured(loaded, requests)


def _measured(loaded: Sequence[_Loaded], requests: int) -> Run:
    """What was served while every worker was loaded: from the start until the first one's load is done."""
    pids = [each.peer.pid for each in loaded]
    with ThreadPoolExecutor(len(loaded)) as pool:
        for warmed in [pool.submit(each.ask, _WARM_REQUESTS) for each in loaded]:
            warmed.result()
        before = [spent(pid) for pid in pids]
        began_s = time.monotonic()
        running = [pool.submit(each.ask, requests) for each in loaded]
        wait(running, return_when=FIRST_COMPLETED)
        took_s = time.monotonic() - began_s
        used = [spent(pid).since(earlier) for pid, earlier in zip(pids, before, strict=True)]
        served = sum(each.counted(REQUESTS.name) for each in loaded) - _WARM_REQUESTS * len(loaded)
        for each in running:
            each.result()
    total_s, system_s = sum(each.total_s for each in used), sum(each.system_s for each in used)
    return Run(served / took_s, total_s / served * 1e6, system_s / served * 1e6, total_s / took_s / len(loaded))
