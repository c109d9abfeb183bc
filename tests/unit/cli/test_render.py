"""Claims about `forebay render`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from forebay.cli.main import run
from forebay.render.target import load_targets

CONFIGURATION = "version: 1\nmodels: {m: {engines: [{kind: embedded}]}}\n"


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)
    Path("forebay.yaml").write_text(CONFIGURATION)

    def answer(*arguments: str, code: int = 0) -> tuple[str, str]:
        assert run(["render", *arguments, "--lang", "en"]) == code
        captured = capsys.readouterr()
        return captured.out, captured.err

    return answer


def test_the_list_names_every_target_and_needs_no_configuration(answers: Any) -> None:
    Path("forebay.yaml").unlink()
    out, _err = answers("--list", "-o", "json")
    assert [each["target"] for each in json.loads(out)] == list(load_targets())


def test_a_target_is_written_below_the_folder_and_told(answers: Any) -> None:
    out, _err = answers("prometheus", "--out", "there", "-o", "json")
    assert json.loads(out) == ["there/prometheus.yml", "there/rules.yml"]
    assert all(Path(name).is_file() for name in json.loads(out))


def test_a_dry_run_writes_nothing(answers: Any) -> None:
    answers("compose", "--out", "there", "--dry-run")
    assert not Path("there").exists()


def test_a_script_can_be_run(answers: Any) -> None:
    failover = "edge: {failover: {address: 192.0.2.9/24, interface: eth0, nodes: [192.0.2.1, 192.0.2.2]}}\n"
    Path("forebay.yaml").write_text(CONFIGURATION + failover)
    answers("keepalived", "--out", "there")
    assert Path("there/check-edge.sh").stat().st_mode & 0o111


def test_an_unknown_target_and_a_missing_folder_are_mistakes_of_use(answers: Any) -> None:
    assert "there is no target nothing" in answers("nothing", "--out", "there", code=64)[1]
    assert "Add --out" in answers("compose", code=64)[1]
