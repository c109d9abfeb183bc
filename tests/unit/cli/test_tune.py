"""`forebay tune` refuses what cannot be done before it starts anything."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.unit.tune.ladder.simulated import EMBEDDED

from forebay.cli.main import run


def test_a_ladder_that_was_never_begun_is_not_gone_on_with(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, out = tmp_path / "forebay.yaml", tmp_path / "out"
    file.write_text(EMBEDDED, encoding="utf-8")
    assert run(["tune", "run", "-c", str(file), "--out", str(out), "--resume"]) == 1
    said = capsys.readouterr().err
    assert "there is no ladder to go on with" in said
    assert str(out / "journal.jsonl") in said
    assert "Leave --resume out" in said
