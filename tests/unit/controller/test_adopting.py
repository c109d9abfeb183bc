"""What runs already takes calls on, from the first snapshot of the controller that adopts it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from forebay.controller.journal import Journal
from forebay.controller.keeper import Desired, Keeper, Surroundings, Turnstile
from forebay.controller.probes import EngineProbe
from forebay.controller.status import UnitStatus
from forebay.core.proc import identify
from forebay.engines.record import UnitRecord, write_record
from forebay.engines.spec import EngineSpec, UnitSpec
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate
from forebay.substrate.place import Place, place_path, write_place


def test_an_engine_of_a_cluster_is_where_its_agent_says_at_once(tmp_path: Path) -> None:
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    me = identify(os.getpid())
    assert me is not None
    write_record(
        state.unit("e"), UnitRecord(name="e", digest="d", port=0, holder=me, program=me, started_at=time.time())
    )
    write_place(place_path(state, "e"), Place("10.0.0.1", 18100))
    spec = EngineSpec(name="e", model="m", kind="embedded", argv=("x",), max_outstanding=1)
    desired = Desired(
        name="e",
        kind="engine",
        digest="d",
        port=0,
        make=lambda _port: UnitSpec(name="e", argv=("x",), log="log"),
        log=state.log("e"),
        engine=spec,
        place=place_path(state, "e"),
    )
    keeper = Keeper(desired, EngineProbe(spec, 5.0, None, place_path(state, "e")), _around(state))
    keeper.adopt(UnitStatus(name="e", state="ready", reason="", url="", pid=me.pid, since=0.0))
    assert keeper.health.routable
    assert keeper.serving is not None
    assert (keeper.serving.host, keeper.port) == ("10.0.0.1", 18100)


def test_an_engine_that_drained_already_keeps_the_calls_it_has(tmp_path: Path) -> None:
    """Its controller ended amid a drain: that this one never saw the engine ready says nothing about its calls."""
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    with subprocess.Popen(["sleep", "300"]) as engine:
        try:
            asyncio.run(_drained(state, engine))
        finally:
            engine.kill()


async def _drained(state: StateDir, engine: subprocess.Popen[bytes]) -> None:
    it = identify(engine.pid)
    assert it is not None
    write_record(
        state.unit("e"), UnitRecord(name="e", digest="d", port=1, holder=it, program=it, started_at=time.time())
    )
    spec = EngineSpec(name="e", model="m", kind="embedded", argv=("x",), max_outstanding=1)
    desired = Desired(
        name="e",
        kind="engine",
        digest="d",
        port=1,
        make=lambda _port: UnitSpec(name="e", argv=("x",), log="log"),
        log=state.log("e"),
        engine=spec,
        drain_s=600.0,
    )
    calls, looks = 1, 0

    def calls_at(_name: str) -> int:
        nonlocal looks
        looks += 1
        return calls

    keeper = Keeper(desired, EngineProbe(spec, 5.0, None, None), _around(state, calls_at))
    keeper.adopt(UnitStatus(name="e", state="draining", reason="", url="", pid=engine.pid, since=0.0))
    keeper.removed = True
    async with asyncio.timeout(60):
        running = asyncio.create_task(keeper.run())
        while looks < 3 and not running.done():  # noqa: ASYNC110  counted by what runs
            await asyncio.sleep(0.01)
        assert engine.poll() is None, "a call is there"
        calls = 0
        await running
    assert engine.poll() is not None


def _around(state: StateDir, calls_at: Callable[[str], int] = lambda _name: 0) -> Surroundings:
    return Surroundings(
        substrate=LocalSubstrate(state),
        journal=Journal("forebay", "error"),
        changed=asyncio.Event(),
        still_routed=lambda _name: False,
        calls_at=calls_at,
        take_port=lambda _name, port: port,
        turnstile=Turnstile(),
    )
