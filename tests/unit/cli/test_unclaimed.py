"""A state directory that was lost: `up` sees the engines that it left, and starts nothing beside them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from forebay.cli.main import run
from forebay.config.schema import Config
from forebay.controller.unclaimed import adoptable
from forebay.core.errors import RunError
from forebay.store.state_dir import StateDir
from forebay.substrate.kubernetes.order import label
from forebay.substrate.unclaimed import Unclaimed

OWNER, OTHER = "0f1e2d3c4b5a6978", "ffffffffffffffff"
SILENT, DEAF = "unix:///nowhere.sock", "deaf"
# Of the command: what it prints, and what is asked of it.
DOCKER = f"""#!/bin/sh
case "$*" in
*{SILENT}*|*stop*{DEAF}*) echo "Cannot connect to the Docker daemon" >&2; exit 1 ;;
*" ps "*) cat "$0.rows" ;;
*) echo "$*" >> "$0.asked" ;;
esac
"""


class Host:
    """A host whose daemon is a program that prints what the daemon would."""

    def __init__(self, folder: Path) -> None:
        self._program = folder / "docker"
        self._program.write_text(DOCKER)
        self._program.chmod(0o700)
        self.holds()

    def holds(self, *rows: tuple[str, ...]) -> None:
        Path(f"{self._program}.rows").write_text("".join("\t".join(row) + "\n" for row in rows))

    @property
    def asked(self) -> list[str]:
        path = Path(f"{self._program}.asked")
        return path.read_text().splitlines() if path.exists() else []


def row(
    container: str, unit: str, *, owner: str = OWNER, service: str = "chat", state: str = "running"
) -> tuple[str, ...]:
    return container, state, service, owner, unit, "digest", ""


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.delenv("FOREBAY_STATE", raising=False)
    monkeypatch.chdir(tmp_path)
    hosts = [{"name": "one", "address": "10.0.0.1"}, {"name": "two", "address": "10.0.0.2", "docker": SILENT}]
    content = {
        "version": 1,
        "service": "chat",
        "environment": "development",
        "hardware": "cpu",
        "models": {"m": {"engines": [{"kind": "embedded", "name": "e", "count": 2}]}},
        "substrate": {"kind": "docker", "docker": {"hosts": hosts}},
    }
    Path("forebay.yaml").write_text(json.dumps(content))
    return Host(programs)


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    return StateDir(tmp_path / ".forebay")


@pytest.fixture
def answers(capsys: pytest.CaptureFixture[str]) -> Any:
    def answer(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert run([*arguments, "--lang", "en"]) == code
        captured = capsys.readouterr()
        return captured.out, captured.err

    return answer


def test_up_names_what_runs_and_starts_nothing(host: Host, state: StateDir, answers: Any) -> None:
    host.holds(row("c1", "e-1"), row("c2", "e-2", owner=OTHER), row("c3", "x", service="else"))
    _out, said = answers("up", code=1)
    assert "engines of chat run already" in said
    assert OWNER in said
    assert OTHER in said
    assert "--adopt NUMBER" in said
    assert not state.owner.exists()
    assert host.asked == []


def test_up_takes_no_notice_of_others_once_it_knows_its_own(host: Host, state: StateDir, answers: Any) -> None:
    host.holds(row("c1", "e-1"))
    answers("engine", "unclaimed", "--leave")
    assert state.owner.exists()
    assert json.loads(answers("engine", "unclaimed", "-o", "json")[0]) == [
        {"owner": OWNER, "unit": "e-1", "where": "one", "handle": "c1"}
    ]
    answers("engine", "unclaimed", "--adopt", OWNER, code=64)


def test_what_is_adopted_is_ours_and_what_the_file_does_not_name_is_ended(
    host: Host, state: StateDir, answers: Any
) -> None:
    host.holds(row("c1", "e-1"), row("c9", "e-9"), row("c2", "e-2", owner=OTHER), row("c3", "e-2", state="exited"))
    answers("engine", "unclaimed", "--adopt", OWNER, code=64)  # nobody is asked, and nothing is ended unasked
    assert host.asked == []
    _out, said = answers("engine", "unclaimed", "--adopt", OWNER, "--yes")
    assert "two does not answer" in said
    assert "adopted: e-1." in said
    assert said.index("adopted: e-1.") < said.index("ended: e-9")
    assert [each.split()[-1] for each in host.asked] == ["c9", "c9"]
    assert state.owner.read_text().strip() == OWNER
    assert [each["owner"] for each in json.loads(answers("engine", "unclaimed", "-o", "json")[0])] == [OTHER]


def test_those_of_one_number_are_ended_and_no_others(host: Host, state: StateDir, answers: Any) -> None:
    host.holds(row("c1", "e-1"), row("c2", "e-2", owner=OTHER))
    _out, said = answers("engine", "unclaimed", "--end", "abc", code=64)
    assert "no engine bears the number abc" in said
    answers("engine", "unclaimed", "--end", OTHER, "--yes")
    assert {each.split()[-1] for each in host.asked} == {"c2"}
    assert not state.owner.exists()


def test_whatever_becomes_of_one_the_others_are_ended_and_it_is_named(host: Host, answers: Any) -> None:
    host.holds(row(DEAF, "e-1"), row("c2", "e-2"))
    _out, said = answers("engine", "unclaimed", "--end", OWNER, "--yes", code=1)
    assert "there are still e-1 (deaf, one)" in said
    assert [each.split()[-1] for each in host.asked] == ["c2", "c2"]


@pytest.mark.parametrize("rows", [[row("c1", "e-1.a1b2c3")], [row("c1", "e-1.a1b2c3"), row("c2", "e-2")]])
def test_what_a_release_renamed_is_neither_adopted_nor_ended(
    host: Host, state: StateDir, answers: Any, rows: list[tuple[str, ...]]
) -> None:
    host.holds(*rows)
    _out, said = answers("engine", "unclaimed", "--adopt", OWNER, "--yes", code=1)
    assert "start others beside them: e-1.a1b2c3" in said
    assert "--leave" in said
    assert host.asked == []
    assert not state.owner.exists()


def test_one_that_began_beside_another_which_is_there_may_be_ended(host: Host, answers: Any) -> None:
    host.holds(row("c1", "e-1"), row("c2", "e-1.a1b2c3"))
    _out, said = answers("engine", "unclaimed", "--adopt", OWNER, "--yes")
    assert "adopted: e-1." in said
    assert {each.split()[-1] for each in host.asked} == {"c2"}


def test_where_the_file_names_none_of_them_nothing_is_adopted_or_ended(
    host: Host, state: StateDir, answers: Any
) -> None:
    host.holds(row("c1", "other-1"))
    _out, said = answers("engine", "unclaimed", "--adopt", OWNER, "--yes", code=1)
    assert "the file names none of these: other-1" in said
    assert host.asked == []
    assert not state.owner.exists()


def test_names_are_compared_as_a_label_holds_them(tmp_path: Path) -> None:
    name, short = "e" * 64, "s" * 60
    models = {"m": {"engines": [{"kind": "embedded", "name": each} for each in (name, short)]}}
    config = Config.model_validate({"version": 1, "models": models, "substrate": {"kind": "kubernetes"}})
    mine = Unclaimed(owner=OWNER, unit=label(name), where="ns", handle="p")
    assert mine.unit != name
    assert adoptable(config, tmp_path, [mine]) == [mine]
    renamed = Unclaimed(owner=OWNER, unit=label(f"{short}.a1b2c3"), where="ns", handle="q")
    with pytest.raises(RunError, match="another name than the file"):
        adoptable(config, tmp_path, [mine, renamed])


def test_a_host_that_is_silent_may_hold_a_fleet_so_nothing_is_started(
    host: Host, state: StateDir, answers: Any
) -> None:
    _out, said = answers("up", code=1)
    assert "two does not answer: engines of chat may run there" in said
    assert "--leave" in said
    assert not state.owner.exists()
    answers("engine", "unclaimed", "--leave")
    assert state.owner.exists()


def test_without_an_answer_from_anywhere_nothing_is_started(
    host: Host, state: StateDir, answers: Any, tmp_path: Path
) -> None:
    text = Path("forebay.yaml").read_text()
    Path("forebay.yaml").write_text(
        text.replace('"address": "10.0.0.1"', f'"address": "10.0.0.1", "docker": "{SILENT}"')
    )
    _out, said = answers("up", code=1)
    assert "no Docker host answers" in said
    assert not state.owner.exists()
