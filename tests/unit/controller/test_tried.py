"""What is tried on part of the calls is the whole new release, also in what it says of where engines run."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from forebay.config.schema import Config
from forebay.controller.wanted import Arguments, Wanted
from forebay.core.proc import Identity
from forebay.engines.record import UnitRecord
from forebay.release.running import Change, Running, Side, write_running
from forebay.release.version import effective
from forebay.store.state_dir import StateDir
from forebay.substrate.agents import told_path
from forebay.substrate.docker.remote import read_remote

HOST = {"name": "one", "docker": "unix:///run/docker.sock", "address": "10.0.0.1"}


def side(name: str, image: str) -> Side:
    config = Config.model_validate(
        {
            "version": 1,
            "models": {"m": {"engines": [{"kind": "embedded", "name": "e"}]}},
            "substrate": {"kind": "docker", "docker": {"hosts": [HOST], "images": {"forebay": image}}},
        }
    )
    return Side(name=name, digest=name, config=effective(config))


def test_a_canary_runs_the_image_of_its_release(tmp_path: Path) -> None:
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    now = time.time()
    change = Change(
        id="c", kind="apply", by="me", pid=1, at=now, by_s=now + 600, to=side("v2", "new:2"), slots=("e",), beside=True
    )
    write_running(state.running, Running(environment="development", release=side("v1", "old:1"), change=change))
    wanted = Wanted(Arguments(tmp_path / "forebay.yaml", None, state), lambda _worker: None)
    config, units = wanted.read()
    placed = wanted.placed(units, {"e": _old()}, config)
    (canary,) = [name for name in placed.units if name.startswith("e.")]
    prepare = placed.units[canary][0].prepare
    assert prepare is not None
    asyncio.run(prepare())  # type: ignore[arg-type]
    assert read_remote(told_path(state, canary)).image == "new:2"
    assert placed.units[canary][0].digest == units["e"][0].digest, "what is started is what was planned"


def _old() -> UnitRecord:
    return UnitRecord(name="e", digest="0" * 16, port=0, holder=Identity(1, 1, ""), started_at=0.0)
