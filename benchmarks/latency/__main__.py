"""`python -m benchmarks.latency`: latency that a worker adds at 70 % of one core, in an open loop."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks.memory import RESULTS, origin
from benchmarks.overhead.cpu import spent
from benchmarks.overhead.peers import Peer, limited, running
from benchmarks.overhead.programs import mock_engine, pinned, program
from benchmarks.overhead.rounds import request_bytes
from forebay.testing.worker import GatewayWorker

BUSY = 0.7
TARGET_US = 1000.0
_CONNECTIONS = 256
_FIRST_RATE = 8000.0
_TRIALS, _TRIAL_REQUESTS = 4, 10_000


class Latency(msgspec.Struct, frozen=True):
    """Microseconds from a call's arrival to its whole answer."""

    bad: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float


def main() -> int:
    """Exit 1 where the target is missed or this machine cannot measure."""
    options = _options()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.stderr.write("needs two cores\n")
        return 1
    os.sched_setaffinity(0, cores[1:2])
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-latency-")))
        engine = stack.enter_context(mock_engine(cores[1]))
        worker = limited(GatewayWorker(folder, [engine.port], places=_CONNECTIONS))
        peer = stack.enter_context(running(worker, "forebay", *cores[:2]))
        request = folder / "whole.http"
        request.write_bytes(request_bytes(peer.port, peer.key, stream=False))
        rate = _rate(peer, request, cores[1])
        direct, through, busy = [], [], []
        for _ in range(options.rounds):
            direct.append(_offer(cores[1], engine.port, rate, options.requests, request))
            before = spent(peer.pid)
            through.append(_offer(cores[1], peer.port, rate, options.requests, request))
            busy.append(rate * spent(peer.pid).since(before).total_s / options.requests)
    added_us = statistics.median(ours.p99_us - theirs.p99_us for ours, theirs in zip(through, direct, strict=True))
    page = _page((direct, through), rate, statistics.median(busy), added_us, options)
    sys.stdout.write(page)
    if options.save:
        (RESULTS / "latency.md").write_text(page)
    return 0 if added_us < TARGET_US else 1


def _rate(peer: Peer, request: Path, core: int) -> float:
    """Calls a second that keep the worker's core as busy as wanted, found by trying.

    From CPU a call, which falls as calls come thicker, and not from the share of a core, which others may be using.
    """
    rate = _FIRST_RATE
    for _ in range(_TRIALS):
        before = spent(peer.pid)
        _offer(core, peer.port, rate, _TRIAL_REQUESTS, request)
        rate = BUSY / (spent(peer.pid).since(before).total_s / _TRIAL_REQUESTS)
    return rate


def _offer(core: int, port: int, rate: float, answers: int, request: Path) -> Latency:
    """Let `answers` calls arrive; RuntimeError unless every one is answered with 200."""
    argv = pinned(
        core, str(program("arrivals")), str(port), str(_CONNECTIONS), f"{rate:.0f}", str(answers), str(request)
    )
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"the load did not go through: {done.stderr.decode()}")
    found = msgspec.json.decode(done.stdout, type=Latency)
    if found.bad:
        raise RuntimeError(f"{found.bad} of {answers} answers were bad")
    return found


def _page(
    found: tuple[list[Latency], list[Latency]], rate: float, busy: float, added_us: float, options: argparse.Namespace
) -> str:
    lines = [
        "# Latency that the gateway adds",
        "",
        f"{rate:.0f} calls a second arrive at random, whether those before them are answered or not, and are counted",
        f"from their arrival; one worker with keys, limits, metrics and a log is busy for {busy:.0%} of its core.",
        f"Median of {options.rounds} rounds of {options.requests} calls, to the engine itself and through the worker.",
        "",
        "| | P50, µs | P90 | P99 | P99.9 |",
        "|---|---|---|---|---|",
    ]
    for name, rounds in zip(("the engine itself", "through forebay"), found, strict=True):
        cells = (statistics.median(getattr(each, field) for each in rounds) for field in Latency.__struct_fields__[1:])
        lines.append(f"| {name} | {' | '.join(f'{cell:.0f}' for cell in cells)} |")
    command = f"python -m benchmarks.latency --rounds {options.rounds} --requests {options.requests} --save"
    lines += ["", f"Added at P99: {added_us:.0f} µs. Target: under {TARGET_US:.0f} µs.", "", *origin(command)]
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=30_000, help="calls a round")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/latency.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
