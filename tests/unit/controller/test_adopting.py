"""What runs already takes calls on, from the first snapshot of the controller that adopts it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.controller.journal import Journal
from forebay.controller.keeper import Keeper
from forebay.controller.probes import EngineProbe
from forebay.controller.status import UnitStatus
from forebay.controller.unit import Desired, Surroundings, Turnstile
from forebay.core.proc import identify
from forebay.engines.record import UnitRecord, write_record
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate
from forebay.substrate.place import Place, place_path, write_place


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / ".forebay")
    found.prepare()
    return found


def test_an_engine_of_a_cluster_is_where_its_agent_says_at_once(state: StateDir) -> None:
    place = place_path(state, "e")
    write_place(place, Place("10.0.0.1", 18100))
    keeper = adopting(state, os.getpid(), "ready", place=place)
    assert keeper.health.routable
    assert keeper.serving is not None
    assert (keeper.serving.host, keeper.port) == ("10.0.0.1", 18100)


def test_an_engine_that_drained_already_keeps_the_calls_it_has(state: StateDir) -> None:
    """Its controller ended amid a drain: that this one never saw the engine ready says nothing about its calls."""
    with subprocess.Popen(["sleep", "300"]) as engine:
        try:
            asyncio.run(_drained(state, engine))
        finally:
            engine.kill()


async def _drained(state: StateDir, engine: subprocess.Popen[bytes]) -> None:
    busy, looks = True, 0

    def is_busy(_name: str) -> bool:
        nonlocal looks
        looks += 1
        return busy

    keeper = adopting(state, engine.pid, "draining", is_busy=is_busy)
    keeper.removed = True
    async with asyncio.timeout(60):
        running = asyncio.create_task(keeper.run())
        while looks < 3 and not running.done():  # noqa: ASYNC110  counted by what runs
            await asyncio.sleep(0.01)
        assert engine.poll() is None, "a call is there"
        busy = False
        await running
    assert engine.poll() is not None


def adopting(
    state: StateDir,
    pid: int,
    seen: str,
    *,
    place: Path | None = None,
    is_busy: Callable[[str], bool] = lambda _name: False,
) -> Keeper:
    """A keeper that adopts the engine `e`: the process `pid`, as the controller before it has `seen` it."""
    it = identify(pid)
    assert it is not None
    port = 0 if place is not None else 1
    write_record(
        state.unit("e"), UnitRecord(name="e", digest="d", port=port, holder=it, program=it, started_at=time.time())
    )
    spec = EngineSpec(name="e", model="m", kind="embedded", argv=("x",), max_outstanding=1)
    desired = Desired(
        name="e",
        kind="engine",
        digest="d",
        port=port,
        make=lambda _port: UnitSpec(name="e", argv=("x",), log="log"),
        log=state.log("e"),
        engine=spec,
        drain_s=600.0,
        place=place,
    )
    around = Surroundings(
        substrate=LocalSubstrate(state),
        journal=Journal("forebay", "error"),
        changed=asyncio.Event(),
        is_busy=is_busy,
        take_port=lambda _name, port: port,
        turnstile=Turnstile(),
    )
    keeper = Keeper(desired, EngineProbe(spec, 5.0, None, place), around)
    keeper.adopt(UnitStatus(name="e", state=seen, reason="", url="", pid=pid, since=0.0))
    return keeper
