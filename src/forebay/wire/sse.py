"""Server-sent events, as far as a proxy must know them: where an event ends, and how one is written."""

from __future__ import annotations

import re
from collections.abc import Iterator

DONE = b"data: [DONE]"
_BLANK_LINE = re.compile(rb"\n\n|\r\n\r\n")


def events_end(received: bytes) -> int:
    """Offset behind the last complete event; 0 where none is complete. Both `\\n\\n` and `\\r\\n\\r\\n` end one."""
    last, last_crlf = received.rfind(b"\n\n"), received.rfind(b"\r\n\r\n")
    start = max(last, last_crlf)
    if start < 0:
        return 0
    if start and received[start - 1] in b"\r\n":
        # A run of line breaks: where its last blank line ends depends on where its first one begins.
        return max(blank.end() for blank in _BLANK_LINE.finditer(received))
    return start + (4 if last_crlf > last else 2)


def events(received: bytes) -> Iterator[bytes]:
    """Yield each complete event with its closing blank line."""
    start = 0
    for blank in _BLANK_LINE.finditer(received):
        yield received[start : blank.end()]
        start = blank.end()


def data_of(event: bytes) -> bytes:
    """The payload of a one-line event such as `data: {...}`; empty for comments and other fields."""
    for line in event.splitlines():
        if line.startswith(b"data:"):
            return line[5:].strip()
    return b""


def event(payload: bytes) -> bytes:
    """Write one event; `payload` holds no line break."""
    return b"data: " + payload + b"\n\n"
