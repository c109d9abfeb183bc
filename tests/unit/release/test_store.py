"""What is stored is whole and never changes; a crash at any instruction leaves the old release or the new one."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forebay.core.errors import StateError, UsageError
from forebay.release import durable
from forebay.release.store import Store
from forebay.release.version import Created, digest, manifest

CRASHING = Path(__file__).with_name("crashing.py")
BY = Created(by="ann@example.com", at=1.0, reason="first")
OLD = {"config/production.json": b'{"old": 1}'}
NEW = {"config/production.json": b'{"new": 1}', "edge/production/nginx.conf": b"new " * 1000}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "configs")
    made.save(OLD, BY)
    return made


def test_a_release_is_read_as_it_was_stored(store: Store) -> None:
    assert store.read("v1").files == OLD
    assert store.read("v1").created == BY
    assert store.read("v1").environments == ("production",)


def test_the_same_content_is_the_same_release(store: Store) -> None:
    again = store.save(OLD, Created(by="bob", at=2.0))
    assert (again.name, again.created, store.names()) == ("v1", BY, ("v1",))


def test_another_content_is_another_release_and_numbers_go_on(store: Store) -> None:
    assert store.save(NEW, BY).name == "v2"
    assert store.read("v2").digest != store.read("v1").digest
    store.save({**NEW, "more": b""}, BY, "v10")
    assert store.save({**NEW, "and": b""}, BY).name == "v11"
    assert store.names() == ("v1", "v2", "v10", "v11")


def test_a_name_that_is_taken_is_refused(store: Store) -> None:
    with pytest.raises(UsageError, match="already"):
        store.save(NEW, BY, "v1")
    assert store.read("v1").files == OLD


@pytest.mark.parametrize("name", ["", "current", "../v1", "a/b", ".draft-1-v1", "v 1", "v1\n", "-x", "x" * 64])
def test_a_name_that_is_no_plain_directory_is_refused(store: Store, name: str) -> None:
    with pytest.raises(UsageError):
        store.save(NEW, BY, name)
    with pytest.raises(UsageError):
        store.read(name)


def test_the_digest_does_not_depend_on_who_or_when_or_the_order() -> None:
    one = manifest({"a": b"1", "b": b"2"}, BY)
    other = manifest({"b": b"2", "a": b"1"}, Created(by="bob", at=9.0))
    assert one.digest == other.digest == digest(one.files)
    assert manifest({"a": b"2", "b": b"1"}, BY).digest != one.digest


@pytest.mark.parametrize("size", [0, 1, 200])
@pytest.mark.parametrize("file", ["release.json", "config/production.json", "edge/production/nginx.conf"])
def test_a_truncated_release_is_refused(store: Store, file: str, size: int) -> None:
    store.save(NEW, BY)
    path = store.versions / "v2" / file
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[: min(size, path.stat().st_size - 1)])
    with pytest.raises(StateError, match="damaged"):
        store.read("v2")
    assert store.read("v1").files == OLD


def test_a_missing_and_a_swapped_file_are_refused(store: Store) -> None:
    store.save(NEW, BY)
    (store.versions / "v2" / "config/production.json").unlink()
    with pytest.raises(StateError, match="cannot be read"):
        store.read("v2")
    (store.versions / "v2" / "config/production.json").symlink_to("/etc/hostname")
    with pytest.raises(StateError, match="outside"):
        store.read("v2")


@pytest.mark.parametrize("target", ["../versions/v9", "/etc", "../../configs", "../versions/v1/config", ""])
def test_a_current_link_to_nowhere_is_refused_and_can_be_made_good(store: Store, target: str) -> None:
    link = store.link("production")
    assert store.current("production") is None
    link.parent.mkdir()
    if target:
        link.symlink_to(target)
    else:
        link.mkdir()
    with pytest.raises(StateError, match="link"):
        store.current("production")
    if target:
        store.make_current("production", "v1")
        assert store.current("production") == store.read("v1")


def crash(limit: int, operation: str, root: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(CRASHING), str(limit), operation, str(root)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def every_crash(operation: str, root: Path) -> Iterator[int]:
    """Kill the operation before its first change of the disk, its second … until it ends by itself."""
    for limit in range(1, 200):
        if crash(limit, operation, root).returncode == 0:
            assert limit > 5
            return
        yield limit
    raise AssertionError("it never ended")


def test_killed_at_any_instruction_saving_leaves_no_release_or_a_whole_one(tmp_path: Path, store: Store) -> None:
    for _limit in every_crash("save", tmp_path):
        assert store.read("v1").files == OLD
        if "v2" in store.names():
            assert store.read("v2").files == NEW
            break
    crash(0, "save", tmp_path)
    assert store.read("v2").files == NEW
    assert [path.name for path in store.versions.iterdir() if path.name.startswith(".")] == []


def test_killed_at_any_instruction_switching_leaves_the_old_release_or_the_new(tmp_path: Path, store: Store) -> None:
    store.save(NEW, BY)
    store.make_current("production", "v1")
    seen = set()
    for _limit in every_crash("switch", tmp_path):
        current = store.current("production")
        assert current is not None
        seen.add(current.name)
        store.make_current("production", "v1")
    assert seen == {"v1", "v2"}
    assert store.current("production") == store.read("v2")


def test_killed_at_any_instruction_a_file_is_the_old_one_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "running.json"
    seen = set()
    for _limit in every_crash("file", tmp_path):
        seen.add(path.read_bytes() if path.exists() else b"")
        durable.write_file(path, b"old")
    assert seen - {b""} == {b"old", b"new" * 1000}


@pytest.mark.parametrize("operation", ["save", "file"])
def test_nothing_becomes_visible_before_it_lies_on_the_disk(tmp_path: Path, store: Store, operation: str) -> None:
    """What the kernel has not been told to keep, a power cut takes."""
    trace = crash(0, operation, tmp_path).stderr.splitlines()
    dirty: set[str] = set()
    renamed = False
    for line in trace:
        call, *rest = line.split()
        if call == "write" and re.fullmatch(r"\d+", rest[0]):
            dirty.add(rest[0])
        elif call == "fsync":
            dirty.discard(rest[0])
        elif call in ("rename", "replace"):
            assert not dirty
            renamed = True
    assert renamed
    assert trace[-1].startswith("fsync")


def test_the_release_and_its_folders_are_on_the_disk_before_its_name_is(tmp_path: Path, store: Store) -> None:
    trace = crash(0, "save", tmp_path).stderr.splitlines()
    synced = sum(line.startswith("fsync") for line in trace[: next(i for i, t in enumerate(trace) if "rename" in t)])
    files, folders = len(NEW) + 1, len({"", "config", "edge", "edge/production"})
    assert synced == files + folders
