"""What a machine goes by among those that share a store of keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.security.machines import machine_id
from forebay.store.state_dir import StateDir


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    made = StateDir(tmp_path / ".forebay")
    made.prepare()
    return made


def test_a_machine_goes_by_one_name(state: StateDir) -> None:
    assert machine_id(state) == machine_id(state)


def test_two_containers_with_one_host_name_and_one_path_are_two_machines(state: StateDir, tmp_path: Path) -> None:
    first = machine_id(state)
    state.root.rename(tmp_path / "of the other container")
    second = machine_id(state)
    assert first != second
    assert first.rpartition("#")[0] == second.rpartition("#")[0] != ""


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"half"])
def test_a_damaged_name_is_made_again(content: bytes, state: StateDir) -> None:
    state.machine.write_bytes(content)
    name = machine_id(state)
    assert len(name.rpartition("#")[2]) == 16
    assert machine_id(state) == name
