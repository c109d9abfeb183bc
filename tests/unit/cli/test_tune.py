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


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("--concurrency 0", "0 is not in the range"),
        ("--input-tokens 0", "0 is not in the range"),
        ("--output-tokens -1", "-1 is not in the range"),
        ("--rungs 0", "0 is not in the range"),
        ("--spellings 0", "0 is not in the range"),
        ("--repeats nan", "'nan' is no number"),
        ("--shared-prefix 2", "2.0 is not in the range"),
        ("--gpu -1", "-1 is not in the range"),
        ("--window 0s", "0s is shorter than"),
        ("--budget 0s", "0s is shorter than"),
        ("--ttft 0s", "0s is shorter than"),
        ("--most-usd 5", "bounds nothing without the price of an hour"),
        ("--usd-per-hour 0 --most-usd 5", "0.0 is not in the range"),
        ("--floor 0.9", "bounds nothing without a set of labelled prompts"),
        ("--floor 2 --quality x", "2.0 is not in the range"),
    ],
)
def test_a_ladder_that_cannot_be_is_refused_before_an_engine_starts(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, words: str, why: str
) -> None:
    file = tmp_path / "forebay.yaml"
    file.write_text(EMBEDDED, encoding="utf-8")
    assert run(["tune", "run", "-c", str(file), "--out", str(tmp_path / "out"), *words.split()]) == 64
    assert why in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--rate", "0"], "0.0 is not in the range"),
        (["--rate", "nan"], "'nan' is no number"),
        (["--slo", ""], "an SLO without a bound is kept by any load"),
        (["--slo", "ttft=0s"], "0"),
        (["--window", "0s"], "0s is shorter than"),
    ],
)
def test_a_search_for_nothing_is_refused(capsys: pytest.CaptureFixture[str], words: list[str], why: str) -> None:
    assert run(["tune", "slo", "--url", "http://127.0.0.1:1", "--model", "m", *words]) == 64
    assert why in capsys.readouterr().err
