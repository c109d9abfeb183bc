"""An engine that nobody wants is ended by another agent where its own one failed to, but not for ever."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path

import msgspec
import pytest
from tests.unit.controller.test_adopting import adopting

from forebay.controller import keeper as keepers
from forebay.controller import restarts
from forebay.engines.spec import UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.agents import AGENT_ENDED, AGENT_LEFT
from forebay.substrate.place import place_path


@pytest.mark.parametrize(("status", "agents", "told"), [(0, 1, 0), (AGENT_ENDED, 1, 0), (AGENT_LEFT, 2, 1)])
def test_what_an_agent_leaves_behind_is_ended_by_the_next(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    status: int,
    agents: int,
    told: int,
) -> None:
    """The first agent is ended by the signal that asks it to stop; those after it end with `status`."""
    monkeypatch.setattr(keepers, "_AGENT_S", 0.0)
    monkeypatch.setattr(restarts, "FIRST_S", 0.0)
    monkeypatch.setattr(restarts, "HOPELESS", 3)
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    started = tmp_path / "started"
    with subprocess.Popen(["sleep", "300"]) as first:
        try:
            asyncio.run(_removed(state, first.pid, f"echo agent >> {started}; exit {status}"))
        finally:
            first.kill()
    assert started.read_text().count("agent") == agents
    assert capfd.readouterr().out.count("the engine e may still run") == told


async def _removed(state: StateDir, pid: int, script: str) -> None:
    keeper = adopting(state, pid, "draining", place=place_path(state, "e"))

    def make(_port: int) -> UnitSpec:
        log, path = str(state.log("e")), os.environ["PATH"]
        return UnitSpec(name="e", argv=("sh", "-c", script), env={"PATH": path}, log=log, stop_waits=True)

    keeper.desired = msgspec.structs.replace(keeper.desired, make=make)
    keeper.removed = True
    async with asyncio.timeout(60):
        await keeper.run()
