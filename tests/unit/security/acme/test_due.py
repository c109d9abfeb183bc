"""When a certificate is renewed, and how long a failure is left alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.certificates import Authority

from forebay.security.acme.due import Attempts, failed, read_attempts, renewal_at, write_attempts

DAY_S = 86400.0


@pytest.mark.parametrize(
    ("life", "before_s", "earliest", "latest"),
    [
        (90, None, 90 / 3, 90 / 3 + 90 * 0.02),
        (6, None, 6 / 2, 6 / 2 + 6 * 0.02),
        (90, 10 * DAY_S, 10, 10 + 90 * 0.02),
        (1, 10 * DAY_S, 0.9, 0.92),  # however early somebody wants it, not at once again
    ],
)
def test_it_is_renewed_long_before_its_end_and_not_all_at_once(
    tmp_path: Path, life: float, before_s: float | None, earliest: float, latest: float
) -> None:
    authority = Authority(tmp_path)
    for number in range(5):
        leaf = authority.issue(f"c{number}", days=(0, life)).certificate
        left = (leaf.not_valid_after_utc.timestamp() - renewal_at(leaf, before_s)) / DAY_S
        assert earliest - 0.01 <= left <= latest + 0.01


def test_failures_wait_longer_each_time_up_to_six_hours_and_another_question_waits_for_none() -> None:
    attempts, waits = Attempts(), []
    for _ in range(15):
        attempts = failed(attempts, "a", "no", 1000.0, 0.5)
        waits.append(attempts.not_before - 1000.0)
    assert waits[:4] == [60.0, 120.0, 240.0, 480.0]
    assert waits[-1] == 6 * 3600.0
    assert failed(attempts, "b", "no", 0.0, 0.5).failures == 1
    assert [failed(Attempts(), "a", "no", 0.0, chance).not_before for chance in (0.0, 1.0)] == [45.0, 75.0]
    assert failed(attempts, "a", "no", 0.0, 1.0).not_before == 6 * 3600.0


def test_a_restart_asks_no_sooner(tmp_path: Path) -> None:
    assert read_attempts(tmp_path) == Attempts()
    noted = failed(Attempts(), "a", "no", 1000.0, 0.5)
    write_attempts(tmp_path, noted)
    assert read_attempts(tmp_path) == noted
    (tmp_path / "attempts.json").write_bytes(b"{half")
    assert read_attempts(tmp_path) == Attempts()
