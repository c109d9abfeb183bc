"""Keys that machines share are believed for a time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from forebay.gateway.believed import believed

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("heard_before_s", "within_s", "good"),
    [
        (0.0, 10.0, True),
        (9.9, 10.0, True),
        (10.0, 10.0, False),
        (1e6, 10.0, False),
        (1e6, 0.0, True),  # keys of this machine alone
        (-59.0, 10.0, True),
        (-60.1, 10.0, False),  # heard in the future: a clock was set back
    ],
)
def test_how_long_keys_are_good(tmp_path: Path, heard_before_s: float, within_s: float, good: bool) -> None:
    heard = tmp_path / "keys.confirmed"
    heard.touch()
    os.utime(heard, (NOW - heard_before_s, NOW - heard_before_s))
    assert believed(heard, within_s, NOW) is good


def test_a_store_that_was_never_heard_is_not_believed(tmp_path: Path) -> None:
    assert not believed(tmp_path / "keys.confirmed", 10.0, NOW)
    assert believed(tmp_path / "keys.confirmed", 0.0, NOW)
