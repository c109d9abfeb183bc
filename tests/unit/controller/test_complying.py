"""What the controller believes of an assessment: the report that it leaves, never how its command ended."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from forebay.config.schema import Config
from forebay.controller.complying import Complying
from forebay.controller.journal import Journal
from forebay.controller.wanted import Arguments
from forebay.store.state_dir import StateDir

WRITTEN = {
    "version": 1,
    "models": {"m": {"engines": [{"kind": "external", "url": "http://127.0.0.1:9"}]}},
    "compliance": {"key": "file:not-there"},
}
CONFIG = Config.model_validate(WRITTEN)


@pytest.fixture
def arguments(tmp_path: Path) -> Arguments:
    (tmp_path / "forebay.yaml").write_text(json.dumps(WRITTEN))
    return Arguments(tmp_path / "forebay.yaml", None, StateDir(tmp_path / "state"))


def complying(arguments: Arguments) -> Complying:
    return Complying(arguments, lambda: CONFIG, lambda: Journal("test", "error"))


def test_a_command_that_exits_as_for_a_control_that_fails_and_leaves_no_report_has_not_looked(
    arguments: Arguments, capfd: pytest.CaptureFixture[str]
) -> None:
    assert not asyncio.run(complying(arguments).assess())
    (said,) = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert "not-there" in said["why"]


def test_an_assessment_in_which_controls_fail_is_one_and_is_not_taken_for_the_next(arguments: Arguments) -> None:
    """Nothing runs here: controls fail, and the command exits 1 as well."""
    broken = arguments.config.read_text()
    arguments.config.write_text(json.dumps({**WRITTEN, "compliance": {}}))
    assert asyncio.run(complying(arguments).assess())
    arguments.config.write_text(broken)
    assert not asyncio.run(complying(arguments).assess())


def test_a_command_that_cannot_be_started_is_said_and_ends_nothing(
    arguments: Arguments, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TOO_LONG_FOR_A_PROCESS", "x" * 200_000)
    assert not asyncio.run(complying(arguments).assess())
    assert "could not be assessed" in capfd.readouterr().out
