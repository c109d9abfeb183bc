"""What must not end the controller, and what it must not lose."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from forebay.controller.lease.fence import Fence
from forebay.controller.loop import Controller
from forebay.controller.peers import Peers
from forebay.controller.wanted import Arguments
from forebay.store.state_dir import StateDir

ENGINE = "e"


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[Controller]:
    (tmp_path / "password").write_text("secret")
    values: dict[str, Any] = {
        "version": 1,
        "edge": {"kind": "none"},
        "models": {"m": {"engines": [{"kind": "external", "name": ENGINE, "url": "http://127.0.0.1:1"}]}},
        "valkey": {"kind": "external", "host": "127.0.0.1", "port": 1, "password": "file:password"},
    }
    (tmp_path / "forebay.yaml").write_bytes(msgspec.json.encode(values))
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    arguments = Arguments(tmp_path / "forebay.yaml", None, state)
    found = Controller(arguments, Fence("me", 1, lambda: True, lambda: None), Peers())
    yield found
    found._feeding.close()


def test_a_secret_that_is_being_written_does_not_end_it(controller: Controller, tmp_path: Path) -> None:
    (tmp_path / "password").unlink()
    controller._publish()
    assert controller._publisher.digest == ""
    (tmp_path / "password").write_text("another")
    controller._publish()
    assert controller._publisher.digest != ""


def test_a_unit_that_is_wanted_again_as_it_ends_is_kept(controller: Controller) -> None:
    async def run() -> None:
        controller._keep({}, ENGINE, controller._first_units[ENGINE])
        keeper = controller._keepers[ENGINE]
        async with asyncio.TaskGroup() as group:
            controller._tasks[ENGINE] = ended = group.create_task(asyncio.sleep(0))
            await ended
            controller._drop_ended(group)
            assert controller._keepers == {ENGINE: keeper}
            assert not controller._tasks[ENGINE].done()
            controller._tasks[ENGINE].cancel()
            await asyncio.wait([controller._tasks[ENGINE]])
            keeper.removed = True
            controller._drop_ended(group)
            assert (controller._keepers, controller._tasks) == ({}, {})

    asyncio.run(run())
