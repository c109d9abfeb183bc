"""`python -m benchmarks.instructions --check`: count instructions a call, fail where they grew by more than 15 %."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks.instructions.replay import EVENTS
from benchmarks.overhead.programs import CACHE

TOLERANCE_RATIO = 0.15
_CALLS = {"whole": 400, "limited": 400, "stream": 40}
_SOURCE = Path(__file__).with_name("callgrind.c")
_BASELINE = Path(__file__).with_name("baseline.json")
_TOTAL = re.compile(r"Collected : (\d+)")


class Counted(msgspec.Struct, frozen=True):
    """Instructions for a whole answer, without and with limits, and for an event (its call's own included, over 64)."""

    request: int
    event: int
    limited: int = 0


def main() -> int:
    """Exit 1 where it grew too much, where there is no baseline, or where this machine cannot count."""
    options = _options()
    if shutil.which("valgrind") is None or shutil.which("cc") is None:
        sys.stderr.write("needs valgrind (with its headers) and a C compiler\n")
        return 1
    found, baselines = _count(), _baselines()
    sys.stdout.write(
        f"{_build()}: {found.request} instructions a request, {found.limited} with limits, "
        f"{found.event} a streamed event\n"
    )
    if options.save:
        _BASELINE.write_bytes(
            msgspec.json.format(msgspec.json.encode({**baselines, _build(): found}), indent=2) + b"\n"
        )
        return 0
    before = baselines.get(_build())
    if before is None:
        sys.stderr.write(f"no baseline for {_build()}: make one with --save\n")
        return 1
    grew = [
        _grew("a request", found.request, before.request),
        _grew("a request with limits", found.limited, before.limited),
        _grew("an event", found.event, before.event),
    ]
    return 1 if any(grew) else 0


def _grew(what: str, now: int, before: int) -> bool:
    ratio = now / before - 1 if before else 0.0
    too_much = ratio > TOLERANCE_RATIO
    sys.stdout.write(f"{what}: {ratio:+.1%} against the baseline{', too much' if too_much else ''}\n")
    return too_much


def _count() -> Counted:
    library = _library()
    with tempfile.TemporaryDirectory(prefix="forebay-instructions-") as folder:
        counts = {kind: _run(kind, calls, library, Path(folder)) for kind, calls in _CALLS.items()}
    each = {kind: total // _CALLS[kind] for kind, total in counts.items()}
    return Counted(each["whole"], each["stream"] // EVENTS, each["limited"])


def _run(kind: str, calls: int, library: Path, folder: Path) -> int:
    argv = ["valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={folder}/{kind}.out"]
    argv += [sys.executable, "-m", "benchmarks.instructions.replay", kind, str(calls), str(library)]
    # The same hashes each time: the order of sets and the collisions of dicts are instructions too.
    environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False)
    total = _TOTAL.search(done.stderr)
    if done.returncode or total is None:
        raise RuntimeError(f"callgrind did not count: {done.stderr[-2000:]}")
    return int(total[1])


def _library() -> Path:
    """The switch, compiled when its source is new."""
    path = CACHE / f"callgrind-{hashlib.sha256(_SOURCE.read_bytes()).hexdigest()[:12]}.so"
    if not path.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", str(path), str(_SOURCE)], check=True)
    return path


def _baselines() -> dict[str, Counted]:
    return msgspec.json.decode(_BASELINE.read_bytes(), type=dict[str, Counted]) if _BASELINE.exists() else {}


def _build() -> str:
    """What a count is comparable within: another interpreter executes other instructions for the same program."""
    return f"{platform.python_implementation()} {platform.python_version()} {platform.machine()}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="compare with the stored baseline")
    what.add_argument("--save", action="store_true", help="store what is counted as the baseline of this interpreter")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
