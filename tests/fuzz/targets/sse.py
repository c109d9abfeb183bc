"""Invariant: however a stream is cut, the same events come out of it, no byte is lost between them, each ends with a
blank line and holds no other, and a payload that is read out of one and written again is read the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tests.fuzz.cuts import pieces, split

from forebay.wire.sse import data_of, event, events, events_end

_BLANK_LINE = re.compile(rb"\n\n|\r\n\r\n")


def check(fuzzed: bytes) -> None:
    sent, at = split(fuzzed)
    found, held = _read([sent])
    assert _read(pieces(sent, at)) == (found, held)
    assert b"".join(found) + held == sent
    for each in found:
        blank = _BLANK_LINE.search(each)
        assert blank is not None
        assert blank.end() == len(each)
        payload = data_of(each)
        assert b"\n" not in payload
        assert data_of(event(payload)) == payload


def _read(sent: Iterable[bytes]) -> tuple[list[bytes], bytes]:
    """The events, and what is left of one that has not ended."""
    found, held = [], b""
    for piece in sent:
        held += piece
        end = events_end(held)
        found += events(held[:end])
        held = held[end:]
    return found, held
