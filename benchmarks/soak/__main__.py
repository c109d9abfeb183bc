"""`python -m benchmarks.soak`: many requests through one worker; its resident memory must stay flat."""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.memory import RESULTS, Watched, origin, worker
from benchmarks.overhead.programs import REQUESTS_AT_ONCE, load, mock_engine
from benchmarks.overhead.rounds import request_bytes
from benchmarks.soak.policies import CACHE_BYTES, PLACES, every_policy
from forebay.gateway.limits.policy import ValkeyRef
from forebay.observe.catalogue import LIMITS_SHARED
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import wait_for

_SLICES = 20
_WARM_SLICES = 2
_STREAM_EVERY = 100
"""One request in this many is a stream."""
_LIMIT_MIB = 4
GROWTH_LIMIT_BYTES = _LIMIT_MIB * 2**20


def main() -> int:
    """Exit 1 where memory grew."""
    options = _options()
    cores = sorted(os.sched_getaffinity(0))[:2]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-soak-")))
        engine = stack.enter_context(mock_engine(cores[-1]))
        valkey = stack.enter_context(ValkeyServer(folder / "valkey"))
        setup = partial(every_policy, valkey=ValkeyRef(host="127.0.0.1", port=valkey.port, password=valkey.password))
        place = (cores[0], cores[-1])
        watched = stack.enter_context(worker(folder / "worker", place, engine.port, PLACES, setup))
        wait_for("limits are shared", lambda: watched.gauge(LIMITS_SHARED.name) == 1)
        began_s = time.monotonic()
        seen = _run(watched, folder, options.requests, cores[-1])
        took_s = time.monotonic() - began_s
    growth = _growth(seen)
    page = _page(seen, options.requests, growth, took_s)
    sys.stdout.write(page)
    if options.save:
        (RESULTS / "soak.md").write_text(page)
    return 1 if growth > GROWTH_LIMIT_BYTES else 0


def _run(watched: Watched, folder: Path, requests: int, core: int) -> list[int]:
    """Resident bytes after each slice."""
    seen = []
    each = requests // _SLICES
    streams = each // _STREAM_EVERY
    for _ in range(_SLICES):
        half = (each - streams) // 2
        for differ, answers in ((True, half), (False, each - streams - half)):
            for part in _parts(answers):
                load(core, watched.peer.port, part, _asked(watched, folder, differ=differ), stream=False)
        load(core, watched.peer.port, streams, _asked(watched, folder, differ=True, stream=True), stream=True)
        seen.append(watched.resident_bytes)
        sys.stderr.write(f"{len(seen)}/{_SLICES}: {seen[-1] / 2**20:.1f} MiB\n")
    return seen


def _growth(seen: list[int]) -> float:
    """From the first quarter behind the first tenth to the last one, each by its median.

    What a worker holds for a moment, because the machine gave it or the reader of its log no time, is no growth.
    """
    flat = seen[_WARM_SLICES:]
    quarter = max(1, len(flat) // 4)
    return statistics.median(flat[-quarter:]) - statistics.median(flat[:quarter])


def _parts(answers: int) -> Iterator[int]:
    """A run of the load generator has two minutes."""
    while answers:
        part = min(answers, 25_000)
        yield part
        answers -= part


def _asked(watched: Watched, folder: Path, *, differ: bool, stream: bool = False) -> Path:
    """The request to send: each time another question, or always one that the cache knows."""
    file, peer = folder / f"{differ}-{stream}.http", watched.peer
    if not file.exists():
        file.write_bytes(request_bytes(peer.port, peer.key, stream=stream, temperature="0", differ=differ))
    return file


def _page(seen: list[int], requests: int, growth: float, took_s: float) -> str:
    lines = [
        "# Soak",
        "",
        f"{requests} requests, {requests // _STREAM_EVERY} of them streams of 64 events, through one worker in",
        f"{took_s:.0f} s. Keys, metrics, a log line a call; limits shared through Valkey; two classes in a queue",
        f"before {PLACES} places with {REQUESTS_AT_ONCE} calls at once; routing by prefixes; an exact cache of",
        f"{CACHE_BYTES >> 20} MiB and shared generations.",
        "Half of the requests ask what nobody has asked before, the others are hits.",
        "",
        f"Resident memory grew by {growth / 2**20:.2f} MiB after the first tenth (limit {_LIMIT_MIB} MiB); the most it "
        f"ever was is {max(seen) / 2**20:.1f} MiB.",
        "",
        *origin(f"python -m benchmarks.soak --requests {requests} --save"),
        "",
        "| requests | resident MiB |",
        "|---|---|",
    ]
    each = requests // _SLICES
    lines += [f"| {each * number} | {found / 2**20:.2f} |" for number, found in enumerate(seen, 1)]
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/soak.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
