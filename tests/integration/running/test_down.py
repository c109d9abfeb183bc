"""What `down` leaves: nothing, also where the controller is at work while it is stopped."""

from __future__ import annotations

import sys
from pathlib import Path

from forebay.cli.service import CONTROLLER, bring_down
from forebay.engines.spec import UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate
from forebay.testing.worker import wait_for

# Stands for a controller that is asked to stop in the middle of starting an engine.
STARTS_ONE_MORE = """
import signal, sys
from pathlib import Path
from forebay.engines.spec import UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate

signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
Path(sys.argv[1], "listens").touch()
signal.sigwait([signal.SIGTERM])
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
more = UnitSpec(name="real-2", argv=("sleep", "600"), log=str(Path(sys.argv[1], "log")), stop_s=5.0)
LocalSubstrate(StateDir(Path(sys.argv[1]))).start(more)
"""


def test_an_engine_that_starts_while_the_controller_stops_is_stopped_too(tmp_path: Path) -> None:
    state = StateDir(tmp_path)
    state.prepare()
    substrate = LocalSubstrate(state)
    argv = (sys.executable, "-c", STARTS_ONE_MORE, str(tmp_path))
    substrate.start(UnitSpec(name=CONTROLLER, argv=argv, log=str(tmp_path / "controller.log"), stop_s=60.0))
    said: list[str] = []
    try:
        wait_for("the controller listens", (tmp_path / "listens").exists)
        assert bring_down(state, said.append) == (CONTROLLER, "real-2")
        assert substrate.processes() == {}
        assert said == ["stopping controller", "stopping real-2"]
    finally:
        substrate.kill(CONTROLLER)
        substrate.kill("real-2")
