"""`python -m benchmarks.soak`: many requests through one worker; its resident memory must stay flat."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.memory import RESULTS, Watched, origin, worker
from benchmarks.overhead.programs import load, mock_engine
from benchmarks.overhead.rounds import request_bytes

_SLICES = 20
_WARM_SLICES = 2
_STREAM_EVERY = 100
"""One request in this many is a stream."""
GROWTH_LIMIT_BYTES = 4 * 1024 * 1024


def main() -> int:
    """Exit 1 where memory grew."""
    options = _options()
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory(prefix="forebay-soak-") as text, mock_engine(cores[-1]) as engine:
        folder = Path(text)
        with worker(folder / "worker", cores[0], cores[-1], engine.port, 256) as watched:
            began_s = time.monotonic()
            seen = _run(watched, folder, options.requests, cores[-1])
            took_s = time.monotonic() - began_s
    growth = max(seen[_WARM_SLICES:]) - seen[_WARM_SLICES - 1]
    page = _page(seen, options.requests, growth, took_s)
    sys.stdout.write(page)
    if options.save:
        (RESULTS / "soak.md").write_text(page)
    return 1 if growth > GROWTH_LIMIT_BYTES else 0


def _run(watched: Watched, folder: Path, requests: int, core: int) -> list[int]:
    """Resident bytes after each slice."""
    peer, seen = watched.peer, []
    files = {}
    for stream in (False, True):
        files[stream] = folder / f"{stream}.http"
        files[stream].write_bytes(request_bytes(peer.port, peer.key, stream=stream))
    each = requests // _SLICES
    for _ in range(_SLICES):
        left = each - each // _STREAM_EVERY
        while left:
            part = min(left, 50_000)  # a run of the load generator has two minutes
            load(core, peer.port, part, files[False], stream=False)
            left -= part
        load(core, peer.port, each // _STREAM_EVERY, files[True], stream=True)
        seen.append(watched.resident_bytes)
        sys.stderr.write(f"{len(seen)}/{_SLICES}: {seen[-1] / 2**20:.1f} MiB\n")
    return seen


def _page(seen: list[int], requests: int, growth: int, took_s: float) -> str:
    lines = [
        "# Soak",
        "",
        f"{requests} requests ({requests // _STREAM_EVERY} of them streams of 64 events) through one worker with keys,",
        f"metrics and logs, {took_s:.0f} s. Resident memory grew by {growth / 2**20:.2f} MiB after the first tenth",
        f"(limit {GROWTH_LIMIT_BYTES / 2**20:.0f} MiB).",
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
