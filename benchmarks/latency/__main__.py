"""`python -m benchmarks.latency`: latency that a worker adds at 70 % of one core, in an open loop.

Beside it a relay in C that is made as busy: what it adds is the queue before a core that busy, and the machine's own
stalls, whatever program runs there.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks.latency.service import service, waiting_p99
from benchmarks.memory import RESULTS, origin
from benchmarks.overhead.cpu import spent
from benchmarks.overhead.peers import Peer, limited, running
from benchmarks.overhead.programs import await_port, mock_engine, pinned, program
from benchmarks.overhead.rounds import request_bytes
from forebay.observe.catalogue import PHASE
from forebay.observe.page import read_page
from forebay.testing.worker import GatewayWorker, free_port

BUSY = 0.7
TARGET_US = 1000.0
_CONNECTIONS = 256
_FIRST_RATE = 8000.0
_TRIALS, _TRIAL_REQUESTS = 4, 10_000
# Traffic that goes on, not its first second: what connections the worker needs to its engine it has opened by then.
_WARM_S = 5.0


class Latency(msgspec.Struct, frozen=True):
    """Microseconds from a call's arrival to its whole answer."""

    bad: int
    p50_us: float
    p90_us: float
    p99_us: float
    p999_us: float


class Used(msgspec.Struct, frozen=True):
    """Shares of a core: in use, and ready to run while something else had it."""

    busy: float
    kept_waiting: float


class Found(msgspec.Struct):
    """A value a round: to the engine itself, through the relay, through forebay; what these two used of their core.

    `waited`: calls that found no idle connection to the engine.
    """

    direct: list[Latency] = []
    relayed: list[Latency] = []
    through: list[Latency] = []
    relay_used: list[Used] = []
    used: list[Used] = []
    waited: list[float] = []

    def added_us(self, through: list[Latency]) -> float:
        """What is added at P99, the median of the rounds."""
        return statistics.median(one.p99_us - other.p99_us for one, other in zip(through, self.direct, strict=True))


def main() -> int:
    """Exit 1 where the target is missed or this machine cannot measure."""
    options = _options()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.stderr.write("needs two cores\n")
        return 1
    os.sched_setaffinity(0, cores[1:2])
    undisturbed = _go_first()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-latency-")))
        engine = stack.enter_context(mock_engine(cores[1]))
        worker = limited(GatewayWorker(folder, [engine.port], places=_CONNECTIONS))
        peer = stack.enter_context(running(worker, "forebay", *cores[:2]))
        request = folder / "whole.http"
        request.write_bytes(request_bytes(peer.port, peer.key, stream=False))
        rate = _rate(peer, request, cores[1])
        bare = stack.enter_context(_relay(cores[0], engine.port, 0.0))
        spin_s = BUSY / rate - _cpu_s(bare, rate, request, cores[1])
        relay = stack.enter_context(_relay(cores[0], engine.port, max(0.0, spin_s)))
        found = Found()
        for _ in range(options.rounds):
            found.direct.append(_offer(cores[1], engine.port, rate, options.requests, request))
            waited = _waited(worker)
            for each, latencies, used in (
                (relay, found.relayed, found.relay_used),
                (peer, found.through, found.used),
            ):
                before = spent(each.pid)
                latencies.append(_offer(cores[1], each.port, rate, options.requests, request))
                took, offered_s = spent(each.pid).since(before), _sent(rate, options.requests) / rate
                used.append(Used(took.total_s / offered_s, took.kept_waiting_s / offered_s))
            found.waited.append(_waited(worker) - waited)
    page = _page(found, rate, undisturbed, options)
    sys.stdout.write(page)
    if options.save:
        (RESULTS / "latency.md").write_text(page)
    return 0 if found.added_us(found.through) < TARGET_US else 1


def _go_first() -> bool:
    """Give what is started from now on real-time priority, or False: else the machine's other work is what gets told.

    Generator and engine share a core too: neither then waits a slice of milliseconds for the other.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


def _rate(peer: Peer, request: Path, core: int) -> float:
    """Calls a second that keep the worker's core as busy as wanted, found by trying.

    From CPU a call, which falls as calls come thicker, and not from the share of a core, which others may be using.
    """
    rate = _FIRST_RATE
    for _ in range(_TRIALS):
        rate = BUSY / _cpu_s(peer, rate, request, core)
    return rate


def _cpu_s(peer: Peer, rate: float, request: Path, core: int) -> float:
    """CPU seconds of one call."""
    before = spent(peer.pid)
    _offer(core, peer.port, rate, _TRIAL_REQUESTS, request)
    return spent(peer.pid).since(before).total_s / _sent(rate, _TRIAL_REQUESTS)


def _sent(rate: float, answers: int) -> int:
    """Calls that are sent so that `answers` are counted."""
    return int(rate * _WARM_S) + answers


def _waited(worker: GatewayWorker) -> float:
    """Calls so far that found no idle connection to the engine."""
    page = next(worker.state.counters.glob("*.page"))
    found = [each.values for each in read_page(page) if each.metric is PHASE and each.labels == ("connect",)]
    return sum(found[0][:-1]) if found else 0.0


@contextmanager
def _relay(core: int, engine_port: int, spin_s: float) -> Iterator[Peer]:
    """The relay, which burns `spin_s` for each call: half for the request, half for the answer."""
    port = free_port()
    argv = pinned(core, str(program("relay")), str(port), str(engine_port), f"{spin_s / 2 * 1e9:.0f}")
    with subprocess.Popen(argv) as process:
        try:
            await_port(port)
            yield Peer("relay", port, process.pid, "any")
        finally:
            process.kill()


def _offer(core: int, port: int, rate: float, answers: int, request: Path) -> Latency:
    """Let `answers` calls arrive behind a second of warming up; RuntimeError unless every one is answered with 200."""
    numbers = (port, _CONNECTIONS, int(rate), answers, _sent(rate, 0))
    argv = pinned(core, str(program("arrivals")), *map(str, numbers), str(request))
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise RuntimeError(f"the load did not go through: {done.stderr.decode()}")
    found = msgspec.json.decode(done.stdout, type=Latency)
    if found.bad:
        raise RuntimeError(f"{found.bad} of {answers} answers were bad")
    return found


def _page(found: Found, rate: float, undisturbed: bool, options: argparse.Namespace) -> str:
    added_us, of_queue_us = found.added_us(found.through), found.added_us(found.relayed)
    lines = [
        "# Latency that the gateway adds",
        "",
        f"{rate:.0f} calls a second arrive at random, whether those before them are answered or not, and are counted",
        "from their arrival; one worker with keys, limits, metrics and a log is busy for",
        f"{_median(found.used, 'busy'):.0%} of its core. The relay is a C program that passes bytes on and burns",
        f"CPU time until it is as busy ({_median(found.relay_used, 'busy'):.0%}): what it adds is the queue before a",
        "core that busy, and what else this machine does.",
        f"Median of {options.rounds} rounds of {options.requests} calls, each behind {_WARM_S:.0f} s that are not",
        f"counted: traffic that goes on. All of it runs {'at' if undisturbed else 'without'} real-time priority.",
        "",
        "| | P50, µs | P90 | P99 | P99.9 |",
        "|---|---|---|---|---|",
    ]
    rows = (
        ("the engine itself", found.direct),
        ("through the relay", found.relayed),
        ("through forebay", found.through),
    )
    for name, rounds in rows:
        cells = (statistics.median(getattr(each, field) for each in rounds) for field in Latency.__struct_fields__[1:])
        lines.append(f"| {name} | {' | '.join(f'{cell:.0f}' for cell in cells)} |")
    alone, waits = service(), waiting_p99(BUSY)
    busy_us = BUSY / rate * 1e6
    kept, relay_kept = _median(found.used, "kept_waiting"), _median(found.relay_used, "kept_waiting")
    waited = statistics.median(found.waited)
    command = f"python -m benchmarks.latency --rounds {options.rounds} --requests {options.requests} --save"
    lines += [
        "",
        f"Added at P99: {added_us:.0f} µs, of which the queue alone (the relay's) {of_queue_us:.0f} µs.",
        f"Target: under {TARGET_US:.0f} µs.",
        "",
        f"In theory calls that come at random and take {busy_us:.0f} µs each wait {waits:.1f} times that, or",
        f"{waits * busy_us:.0f} µs, at P99 before a core that is {BUSY:.0%} busy, whatever the program.",
        f"Something else had the core for {kept:.1%} of the time while forebay was ready to run, for {relay_kept:.1%}",
        f"while the relay was; {waited:.0f} calls of a round found no idle connection to the engine.",
        f"The gateway's own part is even: its code takes {alone.mean_us:.0f} µs of CPU a call,",
        f"{alone.p99_us:.0f} at P99, {alone.p999_us:.0f} at P99.9;",
        f"the garbage collector ran {alone.collections} times in 20,000 calls.",
        "",
        *origin(command),
    ]
    return "\n".join(lines) + "\n"


def _median(used: list[Used], field: str) -> float:
    return statistics.median(getattr(each, field) for each in used)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=30_000, help="calls a round")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/latency.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
