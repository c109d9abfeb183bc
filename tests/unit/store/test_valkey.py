"""What Valkey says is read whatever way it is cut, and never beyond its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.store.valkey import ValkeyLost, ValkeyRefused, command, parse

ANSWER = b"*4\r\n:-7\r\n$5\r\na\r\nb!\r\n$-1\r\n*1\r\n+OK\r\n"


def test_a_command_says_how_long_everything_is() -> None:
    assert command([b"SET", b"a\r\nb", b""]) == b"*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n"


def test_answers_of_every_kind_are_read() -> None:
    assert parse(ANSWER, 0) == ([-7, b"a\r\nb!"[:5], None, [b"OK"]], len(ANSWER))
    refused = parse(b"-ERR no\r\n", 0)
    assert refused is not None
    assert isinstance(refused[0], ValkeyRefused)


@pytest.mark.parametrize("end", range(len(ANSWER)))
def test_a_part_of_an_answer_is_none_yet(end: int) -> None:
    assert parse(ANSWER[:end], 0) is None


@pytest.mark.parametrize(
    "nonsense",
    [
        b":1x\r\n",
        b":" + b"9" * 30 + b"\r\n",
        b"$-2\r\n",
        b"*99999999\r\n",
        b"?1\r\n",
        b"$1\r\nabc",
        b"*1\r\n" * 9,
        b"x" * 70_000,
    ],
)
def test_nonsense_is_no_answer(nonsense: bytes) -> None:
    with pytest.raises(ValkeyLost):
        parse(nonsense, 0)


@given(st.binary(max_size=200))
def test_whatever_comes_is_an_answer_or_a_part_of_one_or_a_loss(received: bytes) -> None:
    try:
        parsed = parse(received, 0)
    except ValkeyLost:
        return
    assert parsed is None or 0 < parsed[1] <= len(received)
