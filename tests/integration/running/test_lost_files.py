"""Any one file of the state directory may be lost or cut off: all goes on, nothing runs twice, or it is told."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from forebay.controller.status import Status, read_status
from forebay.core.errors import StateError
from forebay.engines.record import UNIT_MARK, read_spec
from forebay.release.running import read_running
from forebay.substrate.local import LocalSubstrate
from forebay.testing.service import Service
from forebay.testing.worker import wait_for

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]
MODELS = {"m": {"engines": [{"kind": "embedded", "context_tokens": 512, "max_sequences": 1, "threads": 1}]}}
WITHIN_S = 60.0
_SECRET = {"pepper"}
_KEYS, _BESIDE_KEYS = "state.db", ("state.db-wal", "state.db-shm")


class World:
    """A service, and what it was when all was well."""

    def __init__(self, service: Service) -> None:
        self.service, self.state = service, service.state
        self.key = service.key
        running = read_running(self.state.running)
        assert running is not None
        self.digest = running.release.digest
        spec = read_spec(self.state.run / "controller.spec")
        assert spec is not None
        self._spec, self._since = spec, 0.0

    def files(self) -> list[str]:
        """Every file that is there by now, but for logs and for what is made anew all the time."""
        found = [path.relative_to(self.state.root) for path in self.state.root.rglob("*") if path.is_file()]
        return sorted(str(path) for path in found if path.parts[0] not in ("logs", "counters", _KEYS, *_BESIDE_KEYS))

    @property
    def status(self) -> Status | None:
        try:
            return read_status(self.state.status)
        except StateError:
            return None

    def is_well(self) -> bool:
        """Whether a living controller says that all is ready, with the release that ran."""
        status = self.status
        if status is None or status.state != "ready" or status.controller.updated_at < self._since:
            return False
        return status.release is not None and status.release.digest == self.digest and self.answers()

    def tells(self, name: str) -> bool:
        """Whether the controller that ends says which file it lacks."""
        return any('"level":"error"' in line and Path(name).name in line for line in self.words().splitlines())

    def words(self) -> str:
        return "\n".join(self.state.log("controller").read_text().splitlines()[-8:])

    def answers(self) -> bool:
        url = f"http://127.0.0.1:{self.service.content['gateway']['port']}/v1/chat/completions"
        question = {"model": "m", "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
        try:
            found = httpx2.post(url, json=question, headers={"authorization": f"Bearer {self.key}"}, timeout=60)
        except httpx2.HTTPError:
            return False
        return found.status_code == 200

    def engines(self) -> int:
        """Processes of this state directory that serve the model, whatever a record says."""
        return len(self._programs("forebay.engines.embedded_server"))

    def restart_controller(self) -> None:
        """SIGKILL, and another one at once."""
        substrate = LocalSubstrate(self.state)
        substrate.kill("controller")
        self._since = time.time()
        substrate.start(self._spec)

    def _programs(self, module: str) -> list[int]:
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            mine = (process.info["environ"] or {}).get(UNIT_MARK, "").startswith(f"{self.state.root.resolve()}:")
            if mine and (process.info["cmdline"] or [])[1:3] == ["-m", module]:
                found.append(process.pid)
        return found


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Service(tmp_path_factory.mktemp("lost"), MODELS, gateway={"workers": 1}) as running:
        # What the file says by now is not applied: no loss of another file may bring it into force.
        running.content["models"]["m"]["aliases"] = ["never-applied"]
        running.write()
        yield World(running)
    assert LocalSubstrate(running.state).processes() == {}


@pytest.mark.parametrize("harm", ["lost", "cut off"])
def test_whatever_file_goes(world: World, harm: str) -> None:
    for name in world.files():
        _without(world, name, harm)
    # What only who starts would miss.
    LocalSubstrate(world.state).kill("worker-1")
    world.restart_controller()
    wait_for("another worker serves", world.is_well, WITHIN_S)


def test_keys_that_are_gone_are_told_and_shut_nobody_out(world: World) -> None:
    copy = world.service.folder / "keys.copy"
    with sqlite3.connect(world.state.database) as kept, sqlite3.connect(copy) as rows:
        kept.backup(rows)
    rows.close()
    kept.close()
    for name in (_KEYS, *_BESIDE_KEYS):
        (world.state.root / name).unlink(missing_ok=True)
    world.restart_controller()
    wait_for("it is told", lambda: world.tells(_KEYS), WITHIN_S)
    assert world.answers()
    for name in (_KEYS, *_BESIDE_KEYS):
        (world.state.root / name).unlink(missing_ok=True)
    shutil.copy2(copy, world.state.database)
    world.restart_controller()
    wait_for("all is well", world.is_well, WITHIN_S)


def _without(world: World, name: str, harm: str) -> None:
    """Harm one file, and have another controller begin."""
    path, copy, what = world.state.root / name, world.service.folder / "copy", f"{name} is {harm}"
    if not path.is_file():
        return
    shutil.copy2(path, copy)
    if harm == "lost":
        path.unlink()
    else:
        os.truncate(path, path.stat().st_size // 2)
    world.restart_controller()
    if name in _SECRET:
        wait_for(f"{what}: it is told", lambda: world.tells(name), WITHIN_S)
        assert world.answers(), what
        shutil.copy2(copy, path)
        world.restart_controller()
    wait_for(f"{what}: all is well", world.is_well, WITHIN_S)
    assert world.engines() == 1, what
