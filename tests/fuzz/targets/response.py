"""Invariant: whatever an engine answers, its head is read the same however much of it has come and whatever follows;
what was refused stays refused; and a head that is taken holds no line break but CRLF and names its length once at most.
"""

from __future__ import annotations

import re

from tests.fuzz.cuts import split

from forebay.wire.response import CHUNKED, UNTIL_CLOSE, BadAnswer, ResponseHead, parse_head

_LENGTHS = re.compile(rb"^(content-length|transfer-encoding)\s*:", re.IGNORECASE | re.MULTILINE)


def check(fuzzed: bytes) -> None:
    received, at = split(fuzzed)
    verdicts = [_read(received[:end]) for end in (*at, len(received))]
    decided = None
    for verdict in verdicts:
        assert decided is None or verdict == decided, verdicts
        decided = verdict
    assert _read(received + b"x") == decided or decided is None
    if isinstance(decided, tuple):
        _check_framing(received[: decided[1]], decided[0])


def _read(received: bytes) -> tuple[ResponseHead, int] | str | None:
    try:
        return parse_head(received)
    except BadAnswer:
        return "refused"


def _check_framing(head_bytes: bytes, head: ResponseHead) -> None:
    assert head_bytes.endswith(b"\r\n\r\n")
    assert head_bytes.count(b"\r") == head_bytes.count(b"\n") == head_bytes.count(b"\r\n")
    assert b"\0" not in head_bytes
    named = _LENGTHS.findall(head_bytes)
    assert len(named) <= 1 or head.body_bytes == 0
    assert head.body_bytes in {CHUNKED, UNTIL_CLOSE} or head.body_bytes >= 0
