"""HTTP/2 by hand: frames as bytes, so that what no client library would send can be sent."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator, Sequence
from typing import NamedTuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS = 1, 4
REQUEST = [(":method", "GET"), (":scheme", "https"), (":path", "/echo"), (":authority", "localhost")]


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def block(fields: Sequence[tuple[str, str]]) -> bytes:
    """Header fields as HPACK writes them without a table."""
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields)


def request(stream: int, fields: Sequence[tuple[str, str]] = REQUEST, *, ends: bool = True) -> bytes:
    return frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block(fields))


def begin(tls: ssl.SSLSocket) -> None:
    tls.sendall(PREFACE + frame(SETTINGS, 0, 0, b""))


def frames(tls: ssl.SSLSocket) -> Iterator[Frame]:
    """Frames until the other side ends, in whatever way."""
    reader = tls.makefile("rb")
    with contextlib.suppress(OSError), reader:
        while len(head := reader.read(9)) == 9:
            length, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
            yield Frame(kind, flags, int.from_bytes(head[5:], "big") & 0x7FFFFFFF, reader.read(length))


def _text(text: str) -> bytes:
    content = text.encode("latin-1")
    if len(content) < 127:
        return bytes([len(content)]) + content
    rest, length = len(content) - 127, b"\x7f"
    while rest >= 128:
        length, rest = length + bytes([rest % 128 + 128]), rest // 128
    return length + bytes([rest]) + content
