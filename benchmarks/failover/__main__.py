"""`python -m benchmarks.failover [--rounds N]`: how long calls fail when a part of two dies. Needs root and keepalived.

A call begins every 20 ms, on a connection of its own with half a second of patience; what is told is the time from the
fault to the end of the first call after which all succeed. Controllers: from the fault until another one leads.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.failover.pair import ADDRESS, Client, Pair, pair

from forebay.controller.lease.standby import standing_by
from forebay.controller.status import read_status
from forebay.testing.fake_engine import FakeEngine
from forebay.testing.service import Service
from forebay.testing.valkey import ValkeyServer
from forebay.testing.worker import wait_for

_SETTLED = 50
_LATEST_S = 10.0
_STEADY_S = 1.0
Fault = Callable[[Pair], None]


def main() -> int:
    """Print a row for each fault: each round's seconds, and the longest."""
    parser = argparse.ArgumentParser(prog="benchmarks.failover")
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    faults: dict[str, Callable[[], float]] = {
        "an edge dies, and is started again": lambda: address_s(lambda two: two.sites[0].crash_edge()),
        "an edge dies, its controller too": lambda: address_s(lambda two: two.sites[0].kill_edge()),
        "a machine is lost": lambda: address_s(lambda two: two.sites[0].pull_the_plug()),
        "controller killed, another stands by": lambda: local_s(signal.SIGKILL),
        "controller stopped, another stands by": lambda: local_s(signal.SIGSTOP),
        "controller lost, another machine's": shared_s,
    }
    for name, measure in faults.items():
        found = [measure() for _ in range(rounds)]
        row = "  ".join(f"{each:5.2f}" for each in found)
        sys.stdout.write(f"{name:40} {row}   median {statistics.median(found):.2f} s, at most {max(found):.2f} s\n")
        sys.stdout.flush()
    return 0


def address_s(fault: Fault) -> float:
    """From the fault until calls over the moving address succeed for good."""
    with tempfile.TemporaryDirectory() as folder, pair(Path(folder)) as two:
        for site in two.sites:
            wait_for("its gateway counts with the other one", site.counts_with_the_other)
        calls = Client(two.shared, "calls", ADDRESS, two, "calls")
        wait_for("calls are answered", lambda: len(good(calls, 0.0)) > _SETTLED)
        at = time.time()
        fault(two)
        wait_for("calls fail", lambda: last_failure(calls, at) > at or time.time() > at + _LATEST_S)
        wait_for("calls are answered", lambda: len(good(calls, last_failure(calls, at))) > _SETTLED)
        failed_s = last_failure(calls, at)
        return min(good(calls, failed_s)) - at if failed_s > at else 0.0


def last_failure(calls: Client, since: float) -> float:
    """When the last call began that failed; `since` where none has."""
    return max((begun for begun, _ended, status in calls.answers() if status != 200), default=since)


def good(calls: Client, since: float) -> list[float]:
    return [ended for begun, ended, status in calls.answers() if status == 200 and begun >= since]


def local_s(number: int) -> float:
    """From the signal until the other controller of one machine has published and told its first status."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeEngine() as engine,
        Service(Path(folder), external(engine), controller={"replicas": 2}, edge={"kind": "none"}) as service,
    ):
        wait_for("the other one stands by", lambda: len(standing_by(service.state)) == 1)
        before = controller(service)
        time.sleep(_STEADY_S)
        begun_s = time.monotonic()
        os.kill(before, number)
        wait_for("another one leads", lambda: controller(service) not in {0, before})
        return time.monotonic() - begun_s


def shared_s() -> float:
    """From the loss of one machine's controller until that of another one tells that it leads."""
    with (
        tempfile.TemporaryDirectory() as folder,
        FakeEngine() as engine,
        ValkeyServer(Path(folder, "valkey")) as valkey,
    ):
        settings: dict[str, Any] = {
            "valkey": {"kind": "external", "port": valkey.port, "password": f"file:{valkey.folder / 'password'}"},
            "controller": {"lease": {"via": "valkey"}},
            "edge": {"kind": "none"},
        }
        for name in ("one", "two"):
            Path(folder, name).mkdir()
        with (
            Service(Path(folder, "one"), external(engine), **settings) as first,
            Service(Path(folder, "two"), external(engine), **settings) as second,
        ):
            begun_s = time.monotonic()
            os.kill(controller(first), signal.SIGSTOP)
            wait_for("the other one leads", lambda: state(second) not in {"", "standby"})
            taken_s = time.monotonic() - begun_s
            os.kill(controller(first), signal.SIGCONT)
            return taken_s


def external(engine: FakeEngine) -> dict[str, Any]:
    return {"m": {"engines": [{"kind": "external", "name": "e", "url": f"http://127.0.0.1:{engine.port}"}]}}


def controller(service: Service) -> int:
    status = read_status(service.state.status)
    return status.controller.pid if status is not None else 0


def state(service: Service) -> str:
    status = read_status(service.state.status)
    return status.state if status is not None else ""


if __name__ == "__main__":
    sys.exit(main())
