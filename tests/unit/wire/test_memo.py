"""Lines are read once, and whoever writes ever new ones fills no memory."""

from __future__ import annotations

import pytest

from forebay.wire.memo import Memo


def test_a_line_is_read_once() -> None:
    answers = iter([1, 2])
    memo = Memo(lambda _line: next(answers))
    assert [memo[b"Host: a"], memo[b"Host: a"], memo[b"Host: b"]] == [1, 1, 2]


def test_what_cannot_be_read_is_not_remembered() -> None:
    memo = Memo(int)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            memo[b"x"]
    assert not memo


def test_lines_that_never_come_again_are_forgotten() -> None:
    memo = Memo(len)
    for number in range(10_000):
        assert memo[b"X-Request-Id: %d" % number]
        assert len(memo) <= 2048


def test_long_lines_are_not_kept() -> None:
    memo = Memo(len)
    assert memo[b"a" * 257] == 257
    assert not memo
