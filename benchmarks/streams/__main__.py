"""`python -m benchmarks.streams`: thousands of streams at once through one worker; memory and losses are counted."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from benchmarks.memory import RESULTS, Watched, origin, worker
from benchmarks.overhead.cpu import spent
from benchmarks.overhead.programs import EVENTS_A_STREAM, mock_engine, pinned, program
from benchmarks.overhead.rounds import request_bytes
from forebay.observe.catalogue import CUT_STREAMS, IN_FLIGHT

_APART_US = 1000
_SPARE_FILES = 1000
LIMIT_BYTES = 400 * 1000 * 1000
_LOOK_S = 0.5


class Seen(msgspec.Struct, frozen=True):
    """What was seen while the load ran. `at_most` is how many calls were in flight at once."""

    before_bytes: int
    most_bytes: int
    at_most: int
    cut: int
    cpu_us: float


def main() -> int:
    """Exit 1 where memory, streams or events were lost, or where this machine allows too few open files."""
    options = _options()
    if not _files_suffice(options.streams):
        return 1
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory(prefix="forebay-streams-") as text:
        folder = Path(text)
        with (
            mock_engine(cores[-1], options.interval_ms * 1000) as engine,
            worker(folder / "worker", (cores[0], cores[-1]), engine.port, options.streams + 1) as watched,
        ):
            seen = _run(watched, folder, options.streams, cores[-1])
            counted = engine.counts()
    page = _page(seen, options, counted["chunks"])
    sys.stdout.write(page)
    if options.save:
        (RESULTS / "streams.md").write_text(page)
    whole = counted["chunks"] == options.streams * EVENTS_A_STREAM and seen.at_most == options.streams
    return 0 if whole and not seen.cut and seen.most_bytes < LIMIT_BYTES else 1


def _run(watched: Watched, folder: Path, streams: int, core: int) -> Seen:
    peer = watched.peer
    request = folder / "stream.http"
    request.write_bytes(request_bytes(peer.port, peer.key, stream=True))
    argv = pinned(core, str(program("load")), *map(str, (peer.port, streams, streams, request, _APART_US)))
    before, cpu = watched.resident_bytes, spent(peer.pid)
    most, at_most = before, 0.0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
        while running.poll() is None:
            most, at_most = max(most, watched.resident_bytes), max(at_most, watched.gauge(IN_FLIGHT.name))
            time.sleep(_LOOK_S)
        said = running.stdout.read() if running.stdout is not None else ""
    if running.returncode or msgspec.json.decode(said) != {"answers": streams, "bad": 0}:
        raise RuntimeError(f"streams were lost: {said or running.returncode}")
    used = spent(peer.pid).since(cpu)
    return Seen(
        before, most, int(at_most), int(watched.gauge(CUT_STREAMS.name)), used.total_s / streams / EVENTS_A_STREAM * 1e6
    )


def _files_suffice(streams: int) -> bool:
    """A stream takes a file towards the client and one towards the engine; the worker inherits this limit."""
    wanted = 2 * streams + _SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        sys.stderr.write(f"{wanted} open files are needed, {hard} allowed: raise `ulimit -Hn` or take fewer streams\n")
        return False
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    return True


def _page(seen: Seen, options: argparse.Namespace, events: int) -> str:
    a_stream = (seen.most_bytes - seen.before_bytes) / options.streams / 1024
    lines = [
        "# Streams at once",
        "",
        f"{options.streams} streams of {EVENTS_A_STREAM} events, one each {options.interval_ms} ms, through one worker",
        "with keys, metrics and logs.",
        "",
        "| | |",
        "|---|---|",
        f"| most calls in flight at once | {seen.at_most} |",
        f"| resident before, MB | {seen.before_bytes / 1e6:.1f} |",
        f"| most resident, MB (limit {LIMIT_BYTES / 1e6:.0f}) | {seen.most_bytes / 1e6:.1f} |",
        f"| memory a stream, KiB | {a_stream:.1f} |",
        f"| events delivered | {events} |",
        f"| streams cut | {seen.cut} |",
        f"| CPU an event, µs (connections included) | {seen.cpu_us:.1f} |",
        "",
        *origin(f"python -m benchmarks.streams --streams {options.streams} --interval-ms {options.interval_ms} --save"),
    ]
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.streams", description=__doc__)
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--interval-ms", type=int, default=500, help="between two events of a stream")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/streams.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
