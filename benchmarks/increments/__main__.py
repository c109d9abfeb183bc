"""`python -m benchmarks.increments`: CPU that each policy adds, beside the worker without it in every round."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks.increments.variants import BASE, VARIANTS, Variant
from benchmarks.memory import RESULTS, origin
from benchmarks.overhead.cpu import spent
from benchmarks.overhead.peers import Peer, running
from benchmarks.overhead.programs import EVENTS_A_STREAM, MockEngine, load, mock_engine
from benchmarks.overhead.rounds import request_bytes
from forebay.gateway.limits.policy import ValkeyRef
from forebay.observe.page import read_page
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import GatewayWorker, wait_for

_WARM_REQUESTS = 1000


class Measured(msgspec.Struct):
    """A running variant and what it cost in each round, in microseconds of CPU."""

    variant: Variant
    peer: Peer
    whole: Path
    stream: Path
    request_us: list[float] = []
    event_us: list[float] = []


def main() -> int:
    """Exit 1 where this machine cannot measure."""
    options = _options()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.stderr.write("needs two cores\n")
        return 1
    os.sched_setaffinity(0, cores[1:2])
    page = _page(_run(options, *cores[:2]), options)
    sys.stdout.write(page)
    if options.save:
        (RESULTS / "increments.md").write_text(page)
    return 0


def _run(options: argparse.Namespace, proxy_core: int, load_core: int) -> list[Measured]:
    chosen = [BASE, *(each for each in VARIANTS if not options.only or any(part in each.name for part in options.only))]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-increments-")))
        engine = stack.enter_context(mock_engine(load_core))
        server = stack.enter_context(ValkeyServer(folder / "valkey"))
        valkey = ValkeyRef(host="127.0.0.1", port=server.port, password=server.password)
        found = []
        for number, variant in enumerate(chosen):
            worker = GatewayWorker(folder / str(number), [engine.port], places=256)
            variant.setup(worker, valkey)
            found.append(stack.enter_context(_started(variant, worker, (proxy_core, load_core))))
            load(load_core, found[-1].peer.port, _WARM_REQUESTS, found[-1].whole, stream=False)
            engine.counts()
        for number in range(options.rounds):
            for each in found if number % 2 == 0 else reversed(found):
                _round(each, engine, options, load_core)
        return found


@contextmanager
def _started(variant: Variant, worker: GatewayWorker, cores: tuple[int, int]) -> Iterator[Measured]:
    temperature = "0.7" if variant is BASE else "0"
    with running(worker, variant.name, *cores) as peer:
        if variant.ready:
            page = next(worker.state.counters.glob("*.page"))
            wait_for(f"{variant.name}: {variant.ready}", lambda: _gauge(page, variant.ready) == 1.0)
        files = (worker.state.root / "whole.http", worker.state.root / "stream.http")
        for stream, file in zip((False, True), files, strict=True):
            asked = request_bytes(
                peer.port, peer.key, stream=stream, temperature=temperature, differ=variant.differ and not stream
            )
            file.write_bytes(asked)
        yield Measured(variant, peer, *files)


def _round(measured: Measured, engine: MockEngine, options: argparse.Namespace, core: int) -> None:
    variant, peer = measured.variant, measured.peer
    before = spent(peer.pid)
    load(core, peer.port, options.requests, measured.whole, stream=False)
    measured.request_us.append(spent(peer.pid).since(before).total_s / options.requests * 1e6)
    counted = engine.counts()["requests"]
    wanted = {"all": counted == options.requests, "none": not counted, "some": 0 < counted < options.requests}
    if not wanted[variant.generated]:
        raise RuntimeError(f"{variant.name}: the engine saw {counted} of {options.requests} requests")
    if variant.streams:
        before = spent(peer.pid)
        load(core, peer.port, options.streams, measured.stream, stream=True)
        measured.event_us.append(spent(peer.pid).since(before).total_s / options.streams / EVENTS_A_STREAM * 1e6)
        engine.counts()


def _page(found: Sequence[Measured], options: argparse.Namespace) -> str:
    base = found[0]
    command = f"python -m benchmarks.increments --rounds {options.rounds} --requests {options.requests} --save"
    lines = [
        "# What each policy adds",
        "",
        "CPU of one worker in front of one engine: a request of 560 bytes with an answer of 330, 32 at once, and an",
        f"event of 50 streams with {EVENTS_A_STREAM} each. Median of {options.rounds} interleaved rounds of",
        f"{options.requests} requests; an increment is the median of the differences within a round.",
        "",
        "| policy | µs / request | increment | µs / event | increment |",
        "|---|---|---|---|---|",
        *(
            f"| {each.variant.name} | {_cells(each.request_us, base.request_us)} "
            f"| {_cells(each.event_us, base.event_us)} |"
            for each in found
        ),
        "",
        *origin(command),
    ]
    return "\n".join(lines) + "\n"


def _cells(cost: list[float], base: list[float]) -> str:
    if not cost:
        return " | "
    added = "" if cost is base else f"{statistics.median(a - b for a, b in zip(cost, base, strict=True)):+.1f}"
    return f"{statistics.median(cost):.1f} | {added}"


def _gauge(page: Path, name: str) -> float:
    return sum(series.values[0] for series in read_page(page) if series.metric.name == name)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.increments", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=8_000, help="requests a round")
    parser.add_argument("--streams", type=int, default=100, help=f"streams a round, {EVENTS_A_STREAM} events each")
    parser.add_argument("--only", nargs="*", default=[], help="only policies whose names hold one of these")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/increments.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
