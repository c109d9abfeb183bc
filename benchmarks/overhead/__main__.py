"""`python -m benchmarks.overhead`: measure, print the table, fail where a target is missed."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.overhead import others, peers, report, stages
from benchmarks.overhead.environments import Absent
from benchmarks.overhead.programs import mock_engine
from benchmarks.overhead.rounds import Plan, Row, measure


def main() -> int:
    """Exit 1 where a target is missed or this machine cannot measure."""
    options = _options()
    missing = [name for name in ("cc", "taskset") if shutil.which(name) is None]
    cores = sorted(os.sched_getaffinity(0))
    if missing or len(cores) < 2:
        sys.stderr.write(f"needs two cores and a C compiler; cores: {len(cores)}, missing: {missing or 'nothing'}\n")
        return 1
    os.sched_setaffinity(0, cores[1:2])
    found = report.result(*_run(options, *cores[:2]), stages.measure() if options.profile else [])
    sys.stdout.write(report.markdown(found))
    for path in report.save(found) if options.save else []:
        sys.stderr.write(f"written: {path.name}\n")
    reasons = report.missed(found)
    sys.stdout.writelines(f"missed: {reason}\n" for reason in reasons)
    return 1 if reasons else 0


def _run(options: argparse.Namespace, proxy_core: int, load_core: int) -> tuple[Plan, list[Row]]:
    plan = Plan(options.rounds, options.requests, options.streams, load_core)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-overhead-")))
        engine = stack.enter_context(mock_engine(load_core))
        place = (proxy_core, load_core, engine.port)
        running = [
            stack.enter_context(peers.nginx(folder / "nginx", *place)),
            stack.enter_context(peers.forebay(folder / "forebay", *place)),
        ]
        for name in options.peers:
            try:
                running.append(stack.enter_context(others.PEERS[name](folder / name, *place)))
            except Absent as reason:
                sys.stderr.write(f"{name} is left out: {reason}\n")
        if not options.brief:
            running.append(stack.enter_context(peers.forebay(folder / "no-log", *place, log=False)))
        return plan, measure(running, engine, folder, plan)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=30_000, help="requests a round")
    parser.add_argument("--streams", type=int, default=500, help="streams a round, 64 events each")
    parser.add_argument("--peers", type=_peers, default=[], help=f"measured too, of {', '.join(others.PEERS)}")
    parser.add_argument("--peer", dest="peers", action="append", choices=others.PEERS, help="one more")
    parser.add_argument("--brief", action="store_true", help="nginx and forebay alone")
    parser.add_argument("--profile", action="store_true", help="measure each stage of a request too")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results and, with peers, docs")
    return parser.parse_args()


def _peers(text: str) -> list[str]:
    names = [name for name in text.split(",") if name and name != "nginx"]  # nginx, the yardstick, is always measured
    for name in names:
        if name not in others.PEERS:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(others.PEERS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
