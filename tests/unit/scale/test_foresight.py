"""What came at this time of earlier days is expected again, and rotated logs are read once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forebay.scale.foresight import SLOT_S, Foresight

NOW_S = datetime(2026, 11, 23, 8, 30, tzinfo=UTC).timestamp()


def write(file: Path, days: range, hours: range, calls_a_slot: int) -> None:
    """Calls of a minute each, in every slot of these hours of the days before now."""
    with file.open("w", encoding="utf-8") as log:
        for day in days:
            for hour in hours:
                for slot in range(12):
                    at_s = NOW_S // 86_400 * 86_400 - 86_400 * day + 3600 * hour + SLOT_S * slot
                    for _call in range(calls_a_slot if at_s + SLOT_S <= NOW_S else 0):
                        ended = datetime.fromtimestamp(at_s + 60, UTC).isoformat()
                        line = {"timestamp": ended, "model": "m", "tokens": {"input": 9, "output": 9}, "engine": "e"}
                        line |= {"message": "request", "latency_ms": 60_000, "endpoint": "/", "status": 200}
                        log.write(json.dumps(line) + "\n")


def foresight(folder: Path, ahead_s: float) -> Foresight:
    made = Foresight(folder, pytest.fail, clock=lambda: NOW_S)
    made.retarget({"m": ahead_s})
    return made


def test_a_peak_of_every_morning_is_expected_before_it_comes(tmp_path: Path) -> None:
    write(tmp_path / "worker-1.log.1", range(1, 4), range(9, 12), 10)  # two calls at a time from nine
    write(tmp_path / "worker-1.log", range(3), range(9), 1)
    assert foresight(tmp_path, 600.0).look()["m"] < 0.5
    assert foresight(tmp_path, 2700.0).look()["m"] == pytest.approx(2.0, rel=0.1)


def test_without_a_whole_day_nothing_is_expected(tmp_path: Path) -> None:
    write(tmp_path / "worker-1.log", range(1), range(9), 10)
    assert foresight(tmp_path, 600.0).look() == {"m": 0.0}


def test_a_log_that_did_not_grow_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path / "worker-1.log.1", range(1, 4), range(9, 12), 10)
    made = foresight(tmp_path, 2700.0)
    first = made.look()
    content = (tmp_path / "worker-1.log.1").read_bytes()
    with (tmp_path / "worker-1.log.1").open("r+b") as file:
        file.write(b" " * len(content))  # the same file, as long as before
    assert made.look() == first


def test_nobody_asked(tmp_path: Path) -> None:
    assert Foresight(tmp_path, pytest.fail).expected("m") == 0.0
