"""`python -m tests.fuzz TARGET`: atheris, led by coverage, against one parser.

Input that breaks an invariant is said and written below `.fuzz/`. What reached new code is kept there too, so that the
next run goes on from it; `--runs` begins from the seeds alone.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import atheris

_HERE = Path(__file__).parent
_KEPT = _HERE.parents[1] / ".fuzz"
TARGETS = sorted(path.stem for path in (_HERE / "targets").glob("[a-z]*.py"))
_INSTRUMENTED = [
    "forebay.wire", "forebay.gateway.continuation.events", "forebay.engines.log_lines", "forebay.security.json_object",
    "forebay.security.tokens",
]  # fmt: skip
_SEED = 1
_LONGEST_BYTES = 2048


def main() -> None:
    """Leaves through libFuzzer: 0 where nothing was found."""
    options = _options()
    with atheris.instrument_imports(include=_INSTRUMENTED):
        target = importlib.import_module(f"tests.fuzz.targets.{options.target}")
    sys.stderr.write(f"{' '.join((target.__doc__ or '').split())}\n")
    _KEPT.mkdir(exist_ok=True)
    with ExitStack() as stack:
        if options.runs:
            found = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forebay-fuzz-")))
            bound = [f"-runs={options.runs}", f"-seed={_SEED}"]
        else:
            found = _KEPT / options.target
            found.mkdir(parents=True, exist_ok=True)
            bound = [f"-max_total_time={options.seconds}"]
        seeds = _HERE / "seeds" / options.target
        bound += [f"-max_len={_LONGEST_BYTES}", "-timeout=10", f"-dict={seeds}.dict", "-print_final_stats=1"]
        bound += [f"-artifact_prefix={_KEPT}/{options.target}-"]
        atheris.Setup([sys.argv[0], *bound, str(found), str(seeds)], target.check)
        atheris.Fuzz()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    bound = parser.add_mutually_exclusive_group()
    bound.add_argument("--seconds", type=int, default=600)
    bound.add_argument("--runs", type=int, default=0, help="so many inputs, the same ones each time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
