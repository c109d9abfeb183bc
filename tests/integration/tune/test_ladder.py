"""Ladders on real processes: planted effects are found, failures are learned, and a kill loses nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from forebay.core.proc import marked
from forebay.engines.record import UNIT_MARK

ROOT = Path(__file__).parents[3]
PRETEND = [sys.executable, "-m", "tests.integration.tune.pretend_vllm", "serve"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    engine = {
        "kind": "vllm",
        "weights": "none/known",
        "release": "0.25.1",
        "program": PRETEND,
        "start": "60s",
        "args": {
            "enforce-eager": True,
            "async-scheduling": False,
            "max-num-seqs": 8,
            "gpu-memory-utilization": 0.8,
            "dtype": "bfloat16",
            "kv-cache-dtype": "auto",
        },
    }
    whole = {"version": 1, "hardware": "h100", "models": {"m": {"engines": [engine]}}}
    (tmp_path / "forebay.yaml").write_text(json.dumps(whole), encoding="utf-8")
    return tmp_path


def command(folder: Path, *more: str) -> list[str]:
    return [
        *(sys.executable, "-m", "forebay", "tune", "run", "-c", str(folder / "forebay.yaml"), "-o", "json"),
        *("--objective", "batch", "--out", str(folder / "out"), "--way", "strides", "--window", "1s", "--rungs", "1"),
        *("--concurrency", "4", "--input-tokens", "8", "--output-tokens", "8", "--budget", "10m", *more),
    ]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}


def run(folder: Path, *more: str) -> dict[str, Any]:
    done = subprocess.run(command(folder, *more), env=environment(), capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def left_running(folder: Path) -> dict[int, str]:
    mine = str(folder.resolve())
    return marked(UNIT_MARK, lambda value: value.startswith(mine))


def events(folder: Path) -> list[dict[str, Any]]:
    path = folder / "out" / "journal.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def trials(folder: Path) -> list[dict[str, Any]]:
    return [each["trial"] for each in events(folder) if each["type"] == "trial"]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_graphs_are_kept_memory_is_learned_and_answers_are_guarded(folder: Path) -> None:
    told = run(folder)
    winner = told["winner"]["args"]
    assert "enforce-eager" not in winner
    assert winner.get("quantization") is None, "faster, but its answers differ"
    assert winner["max-num-seqs"] <= 256
    outcomes = {step["outcome"] for step in told["steps"]}
    assert "answers differ" in outcomes
    assert "out of memory" in outcomes
    assert "enforce-eager" in told["patch"]
    assert (folder / "out" / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not left_running(folder)


@pytest.mark.timeout(600)
def test_a_ladder_that_is_killed_goes_on_and_repeats_nothing(folder: Path) -> None:
    ladder = subprocess.Popen(command(folder), env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 120
    try:
        while not (trials(folder) and left_running(folder)):
            assert ladder.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.02)
    finally:
        ladder.send_signal(signal.SIGKILL)
        ladder.wait(60)
    before, tried = (folder / "out" / "journal.jsonl").read_bytes(), len(trials(folder))
    for _again in range(10):  # what a busy machine tries in one budget may be nothing
        run(folder, "--resume", "--budget", "12s")
        if len(trials(folder)) > tried:
            break
    after = (folder / "out" / "journal.jsonl").read_bytes()
    assert after.startswith(before[: before.rfind(b"\n") + 1])
    keys = [(json.dumps(each["setting"], sort_keys=True), each["repeat"]) for each in trials(folder)]
    assert len(keys) > tried
    assert len(keys) == len(set(keys))
    assert not left_running(folder)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_ladder_that_is_told_to_end_leaves_no_engine_running(folder: Path, number: int) -> None:
    """At the moment when it starts one and has not yet heard of it."""
    # What a shell runs in the background does not hear Ctrl-C, and hands that down.
    argv = ["env", "--default-signal=INT", *command(folder)]
    ladder = subprocess.Popen(argv, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 120
    try:
        while not left_running(folder):
            assert ladder.poll() is None
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        ladder.send_signal(number)
        assert ladder.wait(60)
        while left_running(folder):
            assert time.monotonic() < deadline_s
            time.sleep(0.05)
    finally:
        ladder.kill()
        ladder.wait(60)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_two_gpus_are_divided_among_two_engines_where_these_do_more(folder: Path) -> None:
    """One engine runs four at once, on however many GPUs: two of them run eight."""
    whole = json.loads((folder / "forebay.yaml").read_text("utf-8"))
    engine = whole["models"]["m"]["engines"][0]
    args = {"tensor-parallel-size": 2, "max-num-seqs": 4, "dtype": "bfloat16", "gpu-memory-utilization": 0.8}
    engine |= {"gpus": [0, 1], "args": args}
    (folder / "forebay.yaml").write_text(json.dumps(whole), encoding="utf-8")
    told = run(folder, "--only", "parallelism", "--concurrency", "8", "--output-tokens", "16", "--window", "3s")
    assert told["winner"]["copies"] == 2, told["steps"]
    assert "tensor-parallel-size" not in told["winner"]["args"]
    assert "count: 2" in told["patch"] or '"count": 2' in told["patch"]
    logs = folder / "out" / "state" / "logs"
    seen = {line for path in logs.glob("t2-*.log*") for line in path.read_text("utf-8").splitlines() if "GPUs" in line}
    assert {json.loads(line)["message"] for line in seen} == {"GPUs 0", "GPUs 1"}


def test_another_ladder_is_not_begun_over_a_journal(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "journal.jsonl").write_text("", encoding="utf-8")
    done = subprocess.run(command(folder), env=environment(), capture_output=True, timeout=120, check=False)
    assert done.returncode == 1
    assert b"--resume" in done.stderr
