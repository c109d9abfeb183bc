"""What workers log reaches the judge once, in order, whatever happens to the files meanwhile."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from forebay.engines.log_file import LogFile
from forebay.release.rollout.log_tail import Calls

SINCE = datetime(2020, 1, 1, 0, 0, 10, tzinfo=UTC).timestamp()


def line(number: int, **more: object) -> bytes:
    fields = {
        "timestamp": f"2020-01-01T00:00:{10 + number // 1000:02d}.{number % 1000:03d}Z",
        "message": "request",
        "lane": "canary",
        "engine": "e",
        "model": "m",
        "status": 200,
        "tokens": {"input": 1, "output": 1},
        "latency_ms": 1.0,
        "number": number,
        **more,
    }
    return msgspec.json.encode(fields) + b"\n"


def numbers(calls: Calls) -> list[int]:
    return [each["number"] for each in calls.read()]


def test_what_is_new_is_given_once(tmp_path: Path) -> None:
    log, calls = LogFile(tmp_path / "worker-1.log", 1_000_000, 5), Calls(tmp_path, SINCE)
    assert numbers(calls) == []
    log.write(line(1))
    log.write(line(2))
    assert numbers(calls) == [1, 2]
    assert numbers(calls) == []
    log.write(line(3))
    assert numbers(calls) == [3]


@pytest.mark.parametrize("every", [1, 2, 3, 7, 100])
def test_rotations_lose_nothing_and_repeat_nothing(tmp_path: Path, every: int) -> None:
    """The file is rotated after every third line; it is read after every so many."""
    log, calls = LogFile(tmp_path / "worker-1.log", 3 * len(line(100)), 50), Calls(tmp_path, SINCE)
    seen: list[int] = []
    for number in range(100):
        log.write(line(number))
        if number % every == 0:
            seen += numbers(calls)
    assert [*seen, *numbers(calls)] == list(range(100))


def test_a_reader_that_comes_later_reads_what_was_rotated_since_the_step_began(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "worker-1.log", 3 * len(line(100)), 50)
    for number in range(20):
        log.write(line(number))
    assert numbers(Calls(tmp_path, SINCE)) == list(range(20))
    assert numbers(Calls(tmp_path, SINCE + 0.005)) == list(range(5, 20))


def test_what_was_rotated_before_is_not_even_opened(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "worker-1.log", 3 * len(line(100)), 50)
    for number in range(7):
        log.write(line(number))
    os.utime(tmp_path / "worker-1.log.2", (SINCE - 60, SINCE - 60))
    assert numbers(Calls(tmp_path, SINCE)) == [3, 4, 5, 6]


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path, calls = tmp_path / "worker-1.log", Calls(tmp_path, SINCE)
    whole = line(1)
    path.write_bytes(whole[:20])
    assert numbers(calls) == []
    with path.open("ab") as file:
        file.write(whole[20:])
    assert numbers(calls) == [1]


def test_workers_are_put_in_the_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "worker-1.log").write_bytes(line(1) + line(4))
    (tmp_path / "worker-2.log").write_bytes(line(2) + line(3))
    assert numbers(Calls(tmp_path, SINCE)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "other",
    [
        b"",
        b"\n",
        b"not json\n",
        b'{"lane":"canary"}\n',
        b'{"lane":"canary", cut\n',
        b'["lane":"canary"]\n',
        b'\xff"lane":"canary"\n',
        line(0, lane=""),
    ],
)
def test_lines_that_tell_of_no_call_are_passed_over(tmp_path: Path, other: bytes) -> None:
    (tmp_path / "worker-1.log").write_bytes(other + line(1))
    found = [each for each in Calls(tmp_path, SINCE).read() if each["lane"]]
    assert [each["number"] for each in found] == [1]
