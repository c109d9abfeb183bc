"""Releases from the command line, where nothing runs: made, approved, promoted, planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from ruamel.yaml import YAML

from forebay.cli.main import run

FILE: dict[str, Any] = {
    "version": 1,
    "environment": "staging",
    "edge": {"kind": "none"},
    "models": {"m": {"engines": [{"kind": "external", "url": "http://10.0.0.9:8000"}]}},
    "releases": {"approvals": {"production": 1}},
}


class Place:
    """A directory with a forebay.yaml, and whoever works there."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = folder / "forebay.yaml"
        self._capsys = capsys
        self._monkeypatch = monkeypatch
        self.write(FILE)

    def write(self, content: dict[str, Any]) -> None:
        with self.file.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(content, file)

    def does(self, *arguments: str, by: str = "ann") -> tuple[int, Any]:
        """The exit code of a command and its answer as JSON."""
        self._monkeypatch.setenv("FOREBAY_AUTHOR", by)
        code = run([*arguments, "-c", str(self.file), "-o", "json"])
        said = self._capsys.readouterr().out
        return code, orjson.loads(said) if said else None


@pytest.fixture
def place(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Place:
    return Place(tmp_path, capsys, monkeypatch)


def link(place: Place, environment: str, name: str) -> None:
    path = place.file.parent / "configs" / environment / "current"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(f"../versions/{name}")


def test_the_way_to_production_leads_through_staging_and_an_approval(place: Place) -> None:
    code, made = place.does("release", "create", "v1.2", "--reason", "first")
    assert (code, made["name"], made["by"]) == (0, "v1.2", "ann")
    assert made["environments"] == ["development", "production", "staging"]
    code, answer = place.does("release", "promote")
    assert (code, "no current release" in answer["error"]["what"]) == (1, True)
    link(place, "staging", "v1.2")
    code, answer = place.does("release", "promote")
    assert (code, answer["error"]["findings"][0]["rule"]) == (1, "release_approvals")
    code, answer = place.does("release", "approve", "v1.2", by="ann")
    assert (code, "their own" in answer["error"]["what"]) == (64, True)
    assert place.does("release", "approve", "v1.2", by="bob")[0] == 0
    assert place.does("release", "promote", by="ann")[0] == 0
    assert (place.file.parent / "configs/production/current").readlink() == Path("../versions/v1.2")
    (listed,) = place.does("release", "list")[1]
    assert listed["current"] == ["staging", "production"]
    told = [event["what"] for event in place.does("release", "show", "v1.2")[1]["log"]]
    assert told == ["created", "approved", "promoted"]


def test_only_what_staging_runs_is_promoted(place: Place) -> None:
    place.does("release", "create")
    place.write({**FILE, "service": "other"})
    place.does("release", "create")
    link(place, "staging", "v1")
    code, answer = place.does("release", "promote", "v2")
    assert (code, "not what staging runs" in answer["error"]["what"]) == (64, True)


def test_where_nothing_runs_a_plan_compares_with_the_current_release(place: Place) -> None:
    code, plan = place.does("plan", "--detailed-exitcode")
    assert (code, plan["basis"]["release"], plan["steps"]) == (2, "", [])
    place.does("release", "create")
    link(place, "staging", "v1")
    assert place.does("plan", "--detailed-exitcode")[0] == 0
    place.write({**FILE, "gateway": {"workers": 3}})
    code, plan = place.does("plan", "--detailed-exitcode")
    assert (code, [step["key"] for step in plan["steps"]]) == (2, ["gateway.workers"])
    code, plan = place.does("plan", "--detailed-exitcode", "--env", "production")
    assert (code, plan["refused"], plan["basis"]["environment"]) == (1, True, "production")
    code, answer = place.does("apply", "--yes")
    assert (code, answer["error"]["what"]) == (1, "nothing runs")


def test_a_switch_in_a_plan_is_spelled_as_in_the_file(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.does("release", "create")
    link(place, "staging", "v1")
    place.write({**FILE, "audit": {"enabled": True}})
    capsys.readouterr()
    run(["plan", "-c", str(place.file)])
    (row,) = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("audit.enabled ")]
    assert row[1:3] == ["false", "true"]


def test_two_releases_are_compared_value_by_value(place: Place) -> None:
    place.does("release", "create")
    place.write({**FILE, "gateway": {"timeouts": {"idle": "80s"}}})
    place.does("release", "create")
    code, found = place.does("release", "diff", "v1", "v2", "-e", "production")
    assert code == 0
    assert [(step["key"], step["before"], step["after"]) for step in found["steps"]] == [
        ("gateway.timeouts.idle", "75s", "80s")
    ]


def test_what_two_releases_differ_in_is_spelled_as_in_the_file(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.does("release", "create")
    place.write({**FILE, "audit": {"enabled": True}, "tenants": {"shop": {"limits": {"requests_per_minute": 4}}}})
    place.does("release", "create")
    capsys.readouterr()
    run(["release", "diff", "v1", "v2", "-c", str(place.file)])
    rows = {words[0]: words[1:3] for line in capsys.readouterr().out.splitlines() if (words := line.split())}
    assert rows["audit.enabled"] == ["false", "true"]
    assert rows["tenants.shop"][0] == "-"
    assert '"requests_per_minute":4' in rows["tenants.shop"][1]


def test_a_current_link_to_nowhere_is_told(place: Place) -> None:
    link(place, "staging", "v7")
    code, answer = place.does("plan")
    assert (code, "leads nowhere" in answer["error"]["what"]) == (1, True)
