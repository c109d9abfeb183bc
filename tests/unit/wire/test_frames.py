"""Frames arrive in any pieces; what is none ends the connection and takes no memory."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forebay.gateway.reuse.semantic.frames import Compare, Compared
from forebay.wire.frames import BadFrame, Frames, framed


@given(st.lists(st.text(max_size=300), min_size=1, max_size=5), st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_they_are_cut(texts: list[str], size: int) -> None:
    sent = [Compare(number, 1.0, text, (text,)) for number, text in enumerate(texts)]
    data = b"".join(map(framed, sent))
    frames = Frames()
    got = [frame for start in range(0, len(data), size) for frame in frames.feed(data[start : start + size])]
    assert [msgspec.msgpack.decode(frame, type=Compare) for frame in got] == sent


def test_a_frame_that_claims_to_be_huge_is_refused_before_it_is_held() -> None:
    with pytest.raises(BadFrame):
        list(Frames().feed(b"\xff\xff\xff\xff" + b"x" * 100))


def test_the_largest_question_fits() -> None:
    text = "x" * 300
    assert list(Frames().feed(framed(Compare(1, 1.0, text, (text,) * 8))))
    assert list(Frames().feed(framed(Compared(1, (0.5,) * 8))))
