"""`python -m benchmarks.scaling`: throughput of one, two and four workers; four must do 3.6 times what one does."""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.memory import RESULTS, origin
from benchmarks.overhead.programs import REQUESTS_AT_ONCE, mock_engine
from benchmarks.scaling.places import Place, TooFewCores, places
from benchmarks.scaling.service import Run, Setting, run

_ONE, _FOUR, _APART = Setting(1), Setting(4), Setting(4, apart=True)
_SETTINGS = (_ONE, Setting(2), _FOUR, _APART)
TARGET = 3.6
"""Of a possible 4: the rest is what workers that know of one another may cost."""
Rounds = dict[Setting, list[Run]]


def main() -> int:
    """Exit 1 where the target is missed or this machine has too few cores."""
    options = _options()
    try:
        at = places(_FOUR.workers, options.cores)
    except TooFewCores as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    rounds = _run(at, options)
    page = _page(rounds, at, options)
    sys.stdout.write(page)
    if options.save:
        (RESULTS / "scaling.md").write_text(page)
    return 0 if _times(rounds, _FOUR) >= TARGET else 1


def _run(at: list[Place], options: argparse.Namespace) -> Rounds:
    """Every setting once a round, with new processes each time: nobody idles beside those that are measured."""
    rounds: Rounds = {setting: [] for setting in _SETTINGS}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-scaling-")))
        engines = [stack.enter_context(mock_engine(place.engine)) for place in at]
        for number in range(options.rounds):
            for setting in _SETTINGS if number % 2 == 0 else reversed(_SETTINGS):
                found = run(setting, folder / f"{number}-{setting}", at, engines, options.requests)
                rounds[setting].append(found)
                said = f"{found.requests_a_s:.0f} requests/s, {found.cpu_us:.1f} us, {found.system_us:.1f} system"
                sys.stderr.write(f"{setting}: {said}\n")
    return rounds


def _times(rounds: Rounds, setting: Setting) -> float:
    """Throughput as a multiple of one worker's in the same round, the median of the rounds."""
    pairs = zip(rounds[setting], rounds[_ONE], strict=True)
    return statistics.median(many.requests_a_s / one.requests_a_s for many, one in pairs)


def _shared(rounds: Rounds) -> float:
    """What is left of throughput where workers share a state directory, and with it what engines hold."""
    together, apart = (statistics.median(each.requests_a_s for each in rounds[s]) for s in (_FOUR, _APART))
    return together / apart


def _page(rounds: Rounds, at: list[Place], options: argparse.Namespace) -> str:
    lines = [
        "# More workers",
        "",
        f"Workers over one state directory, with keys, metrics and a log line a call, before {len(at)} engines. Each",
        f"has {options.requests} requests to its own port, {REQUESTS_AT_ONCE} at once; what is served until the first",
        f"of them has had its own counts. Median of {options.rounds} rounds. A worker is alone on its core. The last",
        f"row tells what the machine allows. Target: {_FOUR.workers} workers serve {TARGET} times what one serves.",
        "",
        "| workers | requests/s | least to most | x one | CPU a request, µs | of it system | cores busy |",
        "|---|---|---|---|---|---|---|",
        *(_row(rounds, setting) for setting in _SETTINGS),
        "",
        f"Four workers serve {_shared(rounds):.3f} of what four serve that know nothing of one another.",
        "",
        *origin(" ".join(["python -m benchmarks.scaling", *sys.argv[1:]])),
        "- cores: " + "; ".join(f"worker {each.worker}, engine {each.engine}, load {each.load}" for each in at),
    ]
    return "\n".join(lines) + "\n"


def _row(rounds: Rounds, setting: Setting) -> str:
    speeds = [each.requests_a_s for each in rounds[setting]]
    cpu_us = statistics.median(each.cpu_us for each in rounds[setting])
    system_us = statistics.median(each.system_us for each in rounds[setting])
    busy = statistics.median(each.busy for each in rounds[setting])
    return (
        f"| {setting} | {statistics.median(speeds):.0f} | {min(speeds):.0f} to {max(speeds):.0f} "
        f"| {_times(rounds, setting):.2f} | {cpu_us:.1f} | {system_us:.1f} | {busy:.0%} |"
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=40_000, help="requests a round to each worker")
    parser.add_argument("--cores", type=_cores, help="of workers, engines and loads: 0,1,2,3/4,5,6,7/8,9,10,11")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/scaling.md")
    return parser.parse_args()


def _cores(text: str) -> list[list[int]]:
    return [[int(core) for core in part.split(",")] for part in text.split("/")]


if __name__ == "__main__":
    sys.exit(main())
