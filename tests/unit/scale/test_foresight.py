"""What came at this time of earlier days is expected again, and rotated logs are read once."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from forebay.scale.foresight import SLOT_S, Foresight, Foretold

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
    assert foresight(tmp_path, 600.0).look()["m"].calls < 0.5
    assert foresight(tmp_path, 2700.0).look()["m"].calls == pytest.approx(2.0, rel=0.1)


def test_without_a_whole_day_nothing_is_expected(tmp_path: Path) -> None:
    write(tmp_path / "worker-1.log", range(1), range(9), 10)
    assert foresight(tmp_path, 600.0).look() == {"m": Foretold(why="no whole day is recorded yet")}


def test_a_log_that_did_not_grow_is_not_read_again(tmp_path: Path) -> None:
    write(tmp_path / "worker-1.log.1", range(1, 4), range(9, 12), 10)
    made = foresight(tmp_path, 2700.0)
    first = made.look()
    content = (tmp_path / "worker-1.log.1").read_bytes()
    with (tmp_path / "worker-1.log.1").open("r+b") as file:
        file.write(b" " * len(content))  # the same file, as long as before
    assert made.look() == first


def test_nobody_asked(tmp_path: Path) -> None:
    assert Foresight(tmp_path, pytest.fail).expected("m").calls == 0.0


def test_a_log_of_a_clock_that_was_wrong_by_years_asks_for_no_years_of_slots(tmp_path: Path) -> None:
    write(tmp_path / "worker-1.log.1", range(1, 4), range(9, 12), 10)
    write(tmp_path / "worker-1.log.2", range(8000, 8001), range(9, 12), 10)
    write(tmp_path / "worker-1.log.3", range(-8000, -7999), range(9, 12), 10)
    assert foresight(tmp_path, 2700.0).look()["m"].calls == pytest.approx(2.0, rel=0.1)


def test_a_forecast_that_was_worse_than_none_is_not_acted_on(tmp_path: Path) -> None:
    """A peak every morning, until a day without one."""
    write(tmp_path / "worker-1.log.1", range(2, 5), range(12), 10)
    write(tmp_path / "worker-1.log", range(1, 2), range(18, 19), 1)
    told = foresight(tmp_path, 2700.0).look()["m"]
    assert told.calls == 0
    assert "it erred by" in told.why


def test_what_was_foretold_outlives_a_few_looks_that_fail_and_then_is_over(tmp_path: Path) -> None:
    said: list[str] = []
    write(tmp_path / "worker-1.log.1", range(1, 4), range(9, 12), 10)
    made = Foresight(tmp_path, said.append, clock=lambda: NOW_S)
    made.retarget({"m": 2700.0})
    asyncio.run(made.turn())
    before = made.expected("m")
    (tmp_path / "worker-2.log").mkdir()  # there, and not to be read
    for _look in range(14):
        asyncio.run(made.turn())
    assert made.expected("m") == before
    asyncio.run(made.turn())
    assert made.expected("m").calls == 0
    assert "cannot be read" in made.expected("m").why
    assert len(said) == 15
    (tmp_path / "worker-2.log").rmdir()
    asyncio.run(made.turn())
    assert made.expected("m") == before
