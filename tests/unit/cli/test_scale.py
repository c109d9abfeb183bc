"""`forebay scale` reads the access log and tells what the rules make of it."""

from __future__ import annotations

import json
import math
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from forebay.cli.main import COMMANDS, run
from forebay.cli.scale import scale
from forebay.controller.status import (
    ControllerStatus,
    EdgeStatus,
    GatewayStatus,
    ScalingStatus,
    Status,
    write_status,
)
from forebay.messages.reasons import because
from forebay.store.state_dir import StateDir

FILE = """
version: 1
models: {m: {engines: [{kind: embedded, count: 3, max_sequences: 4, scale: {least: 1, most: 3, down: 5m}}]}}
"""
BEGIN_S = datetime(2026, 11, 20, tzinfo=UTC).timestamp()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "forebay.yaml").write_text(FILE, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    dice = random.Random(1)
    with (tmp_path / "access.log").open("w", encoding="utf-8") as file:
        for slot in range(3 * 24 * 4):
            wave = 1 + math.sin(2 * math.pi * (slot / 96 - 0.3))
            for _call in range(round(20 * wave * dice.lognormvariate(0, 0.1))):
                file.write(json.dumps(line(BEGIN_S + 900 * (slot + dice.random()), dice.choice((50, 100)))) + "\n")
    return tmp_path


def line(at_s: float, tokens: int) -> dict[str, Any]:
    took_s = 0.1 + 0.01 * tokens
    ended = datetime.fromtimestamp(at_s + took_s, UTC).isoformat()
    return {
        "timestamp": ended,
        "message": "request",
        "model": "m",
        "tokens": {"input": 100, "output": tokens},
        "latency_ms": took_s * 1000,
        "ttft_ms": 100.0,
        "endpoint": "/v1/completions",
        "status": 200,
        "engine": "m-embedded-1",
    }


def told(*arguments: str) -> Any:
    done = CliRunner().invoke(scale, [*arguments, "--log", "access.log", "-o", "json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_a_plan_names_copies_for_the_coming_day_and_its_own_error(folder: Path) -> None:
    found = told("plan", "--slot", "1h")
    assert len(found["slots"]) == 24
    assert all(1 <= each["copies"] <= 3 for each in found["slots"])
    assert found["errors"]["forecast"] < found["errors"]["last"]


def test_the_record_is_played_with_the_rules_beside_all_and_the_fewest(folder: Path) -> None:
    found = told("explain", "--start", "5s", "--last", "6h")
    assert found["scaled"]["outcome"]["completed"] == found["calls"] > 100
    assert found["least"]["copy_hours"] <= found["scaled"]["copy_hours"] <= found["most"]["copy_hours"]


def test_rules_can_be_tried_that_the_file_does_not_have(folder: Path) -> None:
    found = told("explain", "--start", "5s", "--last", "2h", "--least", "2", "--most", "3")
    assert {each["copies"] for each in found["scaled"]["turns"]} <= {2, 3}


def test_rules_are_tried_where_the_file_has_none(folder: Path) -> None:
    (folder / "forebay.yaml").write_text(FILE.replace(", scale: {least: 1, most: 3, down: 5m}", ""), encoding="utf-8")
    found = told("explain", "--start", "5s", "--last", "2h", "--most", "2", "--up", "2s", "--down", "5m")
    assert {each["copies"] for each in found["scaled"]["turns"]} <= {1, 2}


@pytest.mark.parametrize(("words", "tried"), [(("plan",), False), (("explain",), True)])
def test_rules_are_asked_for_where_there_are_none_and_flags_named_where_they_are_taken(
    folder: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], tried: bool
) -> None:
    (folder / "forebay.yaml").write_text(FILE.replace(", scale: {least: 1, most: 3, down: 5m}", ""), encoding="utf-8")
    assert run(["scale", *words, "--log", "access.log"]) == 64
    said = capsys.readouterr().err
    assert "Write scale: {least: 1, most: 4} at one" in said
    assert ("--most" in said) is tried


def test_it_says_what_stands_against_the_number_now(folder: Path) -> None:
    waits = because("no_node", needs="1 GPU")
    now = ScalingStatus(
        name="m-embedded", model="m", copies=3, least=1, most=3, why="9 calls", ready=2, held="no_room",
        held_why=str(waits), cause=waits,
    )  # fmt: skip
    since = {"url": "", "pid": 0, "since": 0.0, "reason": ""}
    status = Status(
        state="degraded",
        reasons=(),
        edge=EdgeStatus(name="edge", state="none", **since),
        gateway=GatewayStatus(url="", admin_url="", workers=()),
        console_url=None,
        engines=(),
        scaling=(now,),
        controller=ControllerStatus(pid=0, read_at=0.0, updated_at=0.0, environment="development"),
        snapshot="",
    )
    state = StateDir(folder / ".forebay")
    state.prepare()
    write_status(state.status, status)
    assert told("explain", "--start", "5s", "--last", "6h")["now"]["held"] == "no_room"
    done = CliRunner().invoke(scale, ["explain", "--start", "5s", "--last", "6h", "--log", "access.log"])
    assert done.stdout.splitlines()[:2] == [
        "Now 2 of 3 copies are ready: 9 calls.",
        "The number does not follow the load (no_room): no node has room for 1 GPU.",
    ]


def test_it_is_a_command() -> None:
    assert "scale" in COMMANDS
