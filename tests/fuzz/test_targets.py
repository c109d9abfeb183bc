"""Every invariant of `targets/` holds for thousands of inputs that coverage leads to, the same ones on every run."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = sorted(path.stem for path in (Path(__file__).parent / "targets").glob("[a-z]*.py"))
RUNS = 20_000

pytestmark = pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this Python or machine")


@pytest.mark.parametrize("target", TARGETS)
def test_the_invariant_holds(target: str, tmp_path: Path) -> None:
    """In a process of its own: libFuzzer ends the one that it runs in."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "--runs", str(RUNS), target],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "0", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert f"Done {RUNS} runs" in done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_it_begins_from_seeds_and_words(target: str) -> None:
    """Without them a fuzzer spends its runs on what is no request at all."""
    seeds = Path(__file__).parent / "seeds"
    assert len(list((seeds / target).iterdir())) >= 8
    assert (seeds / f"{target}.dict").read_text("ascii")
