"""What a unit has started goes with it when its holder is gone, wherever the state directory is by then."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from forebay.core.proc import start_ticks
from forebay.engines.record import UNIT_MARK
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate
from forebay.testing.worker import wait_for

# Like nginx, the child has no mark of its own and outlives its parent; it works where the state directory is moved to.
_PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], env={}, cwd=sys.argv[1])
print(child.pid, flush=True)
child.wait()
"""


def test_a_program_without_a_mark_does_not_outlive_its_holder_in_a_directory_that_was_moved(tmp_path: Path) -> None:
    state = StateDir(tmp_path / "state")
    state.prepare()
    substrate = LocalSubstrate(state)
    marked = {**os.environ, UNIT_MARK: f"{state.root.resolve()}:edge"}
    with subprocess.Popen(
        [sys.executable, "-c", _PARENT, str(state.root)], env=marked, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        state.root.rename(tmp_path / "away")
        state.prepare()
        assert substrate.strays() == {parent.pid: "edge", child: "edge"}
        assert substrate.end_strays() == ("edge",)
        wait_for("both are gone", lambda: start_ticks(parent.pid) is None and start_ticks(child) is None)
