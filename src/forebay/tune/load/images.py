"""Pictures of a wanted size, each different, as data URLs: PNG of noise that no cache has seen."""

from __future__ import annotations

import base64
import struct
import zlib
from functools import lru_cache


def data_url(number: int, width: int, height: int) -> str:
    """The picture of a number. Only its first bytes differ, so that it costs little to make."""
    return "data:image/png;base64," + base64.b64encode(_png(number, width, height)).decode()


def _png(number: int, width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    text = b"Comment\0" + str(number).encode()
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", header),
            _chunk(b"tEXt", text),
            _pixels(number % 16, width, height),
            _chunk(b"IEND", b""),
        ]
    )


@lru_cache(maxsize=16)
def _pixels(variant: int, width: int, height: int) -> bytes:
    """Grey bands; an engine that keeps pictures by their bytes or their pixels must not know them all."""
    rows = b"".join(b"\0" + bytes((x * (variant + 1) + y) & 255 for x in range(width)) for y in range(height))
    return _chunk(b"IDAT", zlib.compress(rows, 1))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
