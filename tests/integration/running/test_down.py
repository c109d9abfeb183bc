"""What `down` leaves: nothing, also where the controller is at work while it is stopped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.cli.main import run
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


@pytest.fixture
def running(tmp_path: Path) -> Iterator[LocalSubstrate]:
    """What stands for a controller that was started with prod.yaml, which is gone by now."""
    state = StateDir.beside(tmp_path / "prod.yaml")
    state.prepare()
    substrate = LocalSubstrate(state)
    argv = (sys.executable, "-c", "import time; time.sleep(600)", "--config", str(tmp_path / "prod.yaml"))
    substrate.start(UnitSpec(name=CONTROLLER, argv=argv, log=str(tmp_path / "controller.log"), stop_s=5.0))
    yield substrate
    substrate.kill(CONTROLLER)


def test_a_mistyped_file_stops_nothing_that_was_started_with_another(
    tmp_path: Path, running: LocalSubstrate, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["down", "-c", str(tmp_path / "prd.yaml")]) == 64
    told = capsys.readouterr().err
    assert "prd.yaml: there is no such file, and what runs here was started with prod.yaml" in told
    assert f"forebay down -c {tmp_path / 'prod.yaml'}" in told
    assert running.processes()


@pytest.mark.parametrize("broken", [None, "models: ["])
def test_a_service_whose_file_is_gone_or_broken_is_stopped_by_its_name(
    tmp_path: Path, running: LocalSubstrate, broken: str | None
) -> None:
    if broken is not None:
        (tmp_path / "prod.yaml").write_text(broken)
    assert run(["down", "-c", str(tmp_path / "prod.yaml")]) == 0
    assert running.processes() == {}


def test_a_file_that_is_there_names_what_runs_beside_it(tmp_path: Path, running: LocalSubstrate) -> None:
    (tmp_path / "forebay.yaml").write_text("models: {}\n")
    assert run(["down", "-c", str(tmp_path / "forebay.yaml")]) == 0
    assert running.processes() == {}


@pytest.mark.parametrize("content", [None, "{"])
def test_what_runs_is_stopped_where_nothing_tells_its_file(
    tmp_path: Path, running: LocalSubstrate, content: str | None
) -> None:
    told = tmp_path / ".forebay" / "run" / f"{CONTROLLER}.spec"
    told.unlink() if content is None else told.write_text(content)
    assert run(["down", "-c", str(tmp_path / "any.yaml")]) == 0
    assert running.processes() == {}


def test_where_nothing_runs_any_more_every_name_is_right(tmp_path: Path, running: LocalSubstrate) -> None:
    running.kill(CONTROLLER)
    wait_for("it has ended", lambda: not running.processes())
    assert run(["down", "-c", str(tmp_path / "any.yaml")]) == 0
