"""Lines are read once, and whoever writes ever new ones fills no memory."""

from __future__ import annotations

import pytest

from forebay.wire.memo import Memo


def told(memo: Memo[int], line: bytes) -> int:
    return memo.known.get(line) or memo.read(line)


def test_a_line_is_read_once() -> None:
    answers = iter([1, 2])
    memo = Memo(lambda _line: next(answers))
    assert [told(memo, line) for line in (b"Host: a", b"Host: a", b"Host: b")] == [1, 1, 2]


def test_what_cannot_be_read_is_not_remembered() -> None:
    memo = Memo(int)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            told(memo, b"x")
    assert not memo.known


def test_lines_that_never_come_again_are_forgotten() -> None:
    memo = Memo(len)
    for number in range(10_000):
        assert told(memo, b"X-Number: %d" % number)
        assert len(memo.known) <= 2048


@pytest.mark.parametrize(
    "line", [b"X-Request-Id: 0123456789abcdef", b"x-request-start: t=1.234", b"Idempotency-Key: k"]
)
def test_lines_that_stand_in_one_head_alone_displace_none(line: bytes) -> None:
    memo = Memo(len)
    assert told(memo, line) == len(line)
    assert not memo.known


def test_long_lines_are_not_kept() -> None:
    memo = Memo(len)
    assert told(memo, b"a" * 257) == 257
    assert not memo.known
