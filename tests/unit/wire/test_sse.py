"""Where events end, however a stream is cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.wire.splits import pieces_of

from forebay.wire.sse import data_of, event, events, events_end

LINES = st.sampled_from([b"data: a", b"data:", b": ping", b"event: x", b'data: {"t":"\\n\\n"}', "data: ä".encode()])
EVENTS = st.tuples(st.lists(LINES, min_size=1, max_size=3), st.sampled_from([b"\n", b"\r\n"])).map(
    lambda drawn: drawn[1].join([*drawn[0], b"", b""])
)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_cut_gives_the_same_events(data: st.DataObject) -> None:
    sent = data.draw(st.lists(EVENTS, max_size=5))
    half = data.draw(st.sampled_from([b"", b"data: half", b"data: half\n", b"data: half\r\n"]))
    held, found = b"", []
    for piece in data.draw(pieces_of(b"".join(sent) + half)):
        held += piece
        end = events_end(held)
        found += events(held[:end])
        held = held[end:]
    assert found == sent
    assert held == half


@pytest.mark.parametrize(
    ("received", "end"),
    [
        (b"", 0),
        (b"data: a", 0),
        (b"data: a\n", 0),
        (b"data: a\n\n", 9),
        (b"a\r\n\r\nb", 5),
        (b"a\n\nb\r\n\r\nc", 8),
        (b"a\n\n\nb", 3),
        (b"a\n\n\n\nb", 5),
        (b"a\r\n\r\n\nb", 5),
        (b"a\n\r\n\r\n", 6),
    ],
)
def test_the_end_of_the_last_whole_event_is_found(received: bytes, end: int) -> None:
    assert events_end(received) == end


def test_an_event_written_is_the_event_read() -> None:
    assert list(events(event(b'{"a":1}'))) == [b'data: {"a":1}\n\n']
    assert data_of(event(b'{"a":1}')) == b'{"a":1}'


@pytest.mark.parametrize("other", [b": comment\n\n", b"event: x\n\n", b"\n\n", b"id: 1\r\n\r\n"])
def test_what_carries_no_data_reads_as_empty(other: bytes) -> None:
    assert data_of(other) == b""
