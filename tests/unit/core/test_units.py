"""Durations and sizes as operators write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.core.units import duration_s, show_duration, show_size, size_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("250ms", 0.25), ("30s", 30), ("5m", 300), ("1m30s", 90), ("1 h", 3600), ("2d", 172800), ("1.5h", 5400)],
)
def test_a_duration_is_read_in_its_unit(text: str, seconds: float) -> None:
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "s", "30 parsecs", "-3s", "3s!", "3s4", "1e3s", "٣s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unit|duration"):
        duration_s(text)


@pytest.mark.parametrize(
    ("text", "count"), [("512B", 512), ("64KiB", 65536), ("1kB", 1000), ("8GiB", 8 << 30), ("1.5MiB", 1572864)]
)
def test_a_size_is_read_in_its_unit(text: str, count: int) -> None:
    assert size_bytes(text) == count


@pytest.mark.parametrize("text", ["", "8", "8G", "8gib", "-1B", "1KiB2", "8 GiB GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unit|size"):
        size_bytes(text)


@given(st.integers(0, 2**45))
def test_a_size_is_read_as_it_is_shown(count: int) -> None:
    assert size_bytes(show_size(count)) == count


@given(st.integers(0, 10**8))
def test_a_duration_is_read_as_it_is_shown(milliseconds: int) -> None:
    assert duration_s(show_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, rel=1e-5)
