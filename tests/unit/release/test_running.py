"""One change at a time, begun by a command and ended by the controller."""

from __future__ import annotations

from pathlib import Path

import pytest

from forebay.core.errors import RunError, StateError
from forebay.release.running import Change, Running, Side, begin, ended, read_running, write_running


def side(name: str) -> Side:
    return Side(name=name, digest=name * 4, config={"version": 1})


def change(name: str) -> Change:
    return Change(id="I1", kind="apply", by="ann", pid=42, at=1.0, by_s=9.0, to=side(name))


RUNNING = Running(environment="staging", release=side("v1"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_running(tmp_path / "running.json", RUNNING)
    return tmp_path / "running.json"


def now(path: Path) -> Running:
    found = read_running(path)
    assert found is not None
    return found


def test_a_second_change_is_refused_and_told_whose_the_first_is(path: Path) -> None:
    begin(path, RUNNING, change("v2"))
    with pytest.raises(RunError, match=r"ann \(pid 42\) is applying v2 now"):
        begin(path, now(path), change("v3"))
    assert now(path).wanted == side("v2")


def test_what_was_applied_runs_and_what_ran_is_one_step_back(path: Path) -> None:
    begin(path, RUNNING, change("v2"))
    after = ended(now(path), "applied", 5.0)
    assert (after.release.name, after.previous, after.change) == ("v2", "v1", None)
    assert after.last is not None
    assert (after.last.id, after.last.result, after.last.release) == ("I1", "applied", "v2")


def test_what_was_taken_back_changes_nothing(path: Path) -> None:
    begin(path, RUNNING, change("v2"))
    for result in ("reverted", "failed"):
        after = ended(now(path), result, 5.0)  # type: ignore[arg-type]
        assert (after.release, after.previous, after.change) == (side("v1"), "", None)


def test_mending_the_same_release_keeps_the_one_before(path: Path) -> None:
    first = ended(Running(environment="staging", release=side("v1"), change=change("v2")), "applied", 5.0)
    again = ended(
        Running(environment="staging", release=first.release, previous="v1", change=change("v2")), "applied", 6.0
    )
    assert again.previous == "v1"


def test_a_damaged_file_is_told_and_a_missing_one_is_none(path: Path) -> None:
    content = path.read_bytes()
    for length in range(0, len(content), 5):
        path.write_bytes(content[:length])
        with pytest.raises(StateError, match="cannot be read"):
            read_running(path)
    path.unlink()
    assert read_running(path) is None
