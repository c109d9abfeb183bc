"""What was measured on an H200 is judged as a person would: by the journals that were brought back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from benchmarks.gpu import report
from benchmarks.gpu.replay import replayed

from forebay.tune.rung import rounds_sd
from forebay.tune.trial import Rung

RESULTS = Path(__file__).parents[4] / "benchmarks" / "results" / "gpu-2026-11-22"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return Path(shutil.copytree(RESULTS, tmp_path / "results"))


def test_seventy_seven_percent_is_more_than_starts_differ_by(results: Path) -> None:
    table = replayed(results / "chat")
    verdicts = [line for line in table.splitlines() if line.startswith(("2 ", "3 "))]
    assert [line.rsplit("  ", 1)[1].split()[0] for line in verdicts] == ["better", "better"]


def test_a_load_that_was_cut_off_takes_nothing_from_the_one_that_was_measured(results: Path) -> None:
    table = replayed(results / "batch")
    assert "better +187" in table


def test_throughput_of_a_closed_loop_is_not_what_a_window_happens_to_count() -> None:
    """96 in flight, 128 tokens each, 6.3 s an answer: 1,950 tokens/s, whatever fell into six seconds."""
    rung = Rung(
        concurrency=96,
        requests_per_s=20,
        output_tokens_per_s=2606,
        input_tokens_per_s=0,
        answer_tokens=128,
        e2e_mean_ms=6299,
    )
    assert rung.steady_tokens_per_s == pytest.approx(1951, rel=0.001)


def test_answers_of_one_round_count_as_one() -> None:
    assert rounds_sd(1000, 1164.5, 4) == pytest.approx(0.05)
    assert rounds_sd(1000, 1164.5, 1) == pytest.approx(0.1)


def test_a_page_is_made_of_what_came_back(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    into = tmp_path / "page"
    monkeypatch.setattr("sys.argv", ["report", str(results), "--into", str(into), "--command", "as it was run"])
    report.main()
    page = (into / "README.md").read_text(encoding="utf-8")
    assert "as it was run" in page
    assert "| 1 | baseline | 40 | 1,620 |" in page
    assert "**2.63 times** the tokens at 0.40 of P50" in page
    assert "| case 1: throughput | +175 % | +163% | chat, best loads |" in page
    assert (into / "chat" / "ladder" / "journal.jsonl").exists()
