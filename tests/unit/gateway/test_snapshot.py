"""A snapshot is what its name says, or it is not taken."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from tests.in_memory import Gateway

from forebay.core.errors import StateError
from forebay.gateway.snapshot import Snapshot, publish, read


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    return Gateway(tmp_path).snapshot


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "snapshots"
    found.mkdir()
    return found


def other(snapshot: Snapshot, number: int) -> Snapshot:
    return msgspec.structs.replace(snapshot, pepper=f"pepper {number}")


def test_what_is_published_is_read(snapshot: Snapshot, folder: Path) -> None:
    name = publish(snapshot, folder)
    assert read(folder / "current") == (name, snapshot)
    assert publish(snapshot, folder) == name


def test_only_its_owner_can_read_it(snapshot: Snapshot, folder: Path) -> None:
    name = publish(snapshot, folder)
    assert (folder / f"{name}.json").stat().st_mode & 0o077 == 0


def test_older_ones_go_and_the_current_one_stays(snapshot: Snapshot, folder: Path) -> None:
    first = publish(other(snapshot, 0), folder)
    os.utime(folder / f"{first}.json", (1, 1))
    for number in range(1, 6):
        publish(other(snapshot, number), folder, keep=3)
    assert len(list(folder.glob("*.json"))) == 3
    assert not (folder / f"{first}.json").exists()
    newest = publish(other(snapshot, 5), folder, keep=3)
    os.utime(folder / f"{newest}.json", (1, 1))
    assert publish(other(snapshot, 5), folder, keep=1) == newest
    assert read(folder / "current")[0] == newest


def truncate(target: Path) -> None:
    target.write_bytes(target.read_bytes()[:-10])


def flip(target: Path) -> None:
    target.write_bytes(target.read_bytes().replace(b'"pepper":"pepper"', b'"pepper":"PEPPER"'))


def rename(target: Path) -> None:
    target.rename(target.with_name("0123456789abcdef.json"))
    link = target.with_name("current")
    link.unlink()
    link.symlink_to("0123456789abcdef.json")


def empty(target: Path) -> None:
    target.write_bytes(b"")


def retype(target: Path) -> None:
    target.write_bytes(target.read_bytes().replace(b'"connections":2000', b'"connections":"many"'))


@pytest.mark.parametrize("damage", [truncate, flip, rename, empty, retype, Path.unlink])
def test_a_damaged_one_is_not_taken(snapshot: Snapshot, folder: Path, damage: object) -> None:
    name = publish(snapshot, folder)
    assert callable(damage)
    damage(folder / f"{name}.json")
    with pytest.raises(StateError):
        read(folder / "current")


def test_none_at_all_is_said_so(folder: Path) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        read(folder / "current")
