"""Who only waits for its turn is not hung, however long that takes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.unit.controller.until import until

from forebay.config.schema import Config
from forebay.controller.following import Controls
from forebay.controller.journal import Journal
from forebay.controller.lease import candidate, fence
from forebay.controller.lease.candidate import Candidate
from forebay.controller.lease.fence import Fence, clock_s
from forebay.controller.peers import Peers
from forebay.store.state_dir import StateDir

AN_HOUR_S = 3600.0


def test_who_stands_by_for_an_hour_with_nothing_to_serve_still_contends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    values = {
        "version": 1,
        "models": {"m": {"engines": [{"kind": "embedded"}]}},
        "valkey": {"kind": "external", "host": "127.0.0.1", "port": 1},
        "controller": {"lease": {"via": "valkey"}},
    }
    contender = Candidate(Config.model_validate(values), state, tmp_path, "controller", _nothing)
    later_s = 0.0
    for module in (candidate, fence):
        monkeypatch.setattr(module, "clock_s", lambda: clock_s() + later_s)

    async def run() -> None:
        nonlocal later_s
        waiting = asyncio.create_task(contender.lead(Journal("forebay", "error")))
        await until("it stands by", lambda: contender._fence is not None)
        later_s = AN_HOUR_S
        assert contender._is_hung()
        # What both leases ask before they send anything.
        await until("it has looked around since", lambda: not contender._is_hung())
        contender.ask_stop()
        assert await waiting is None

    asyncio.run(run())
    contender.release()


def _nothing(_fence: Fence, _peers: Peers) -> Controls:
    raise AssertionError("nothing was told")
