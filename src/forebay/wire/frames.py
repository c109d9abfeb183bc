"""Messages on a socket between our own processes: a length of four bytes, then msgpack. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_LENGTH_BYTES = 4
_encode = msgspec.msgpack.Encoder().encode


class BadFrame(ValueError):
    """Bytes that are no frame; nothing behind them can be understood."""


def framed(message: msgspec.Struct) -> bytes:
    """`message` as it is sent."""
    written = _encode(message)
    return len(written).to_bytes(_LENGTH_BYTES, "big") + written


class Frames:
    """Bytes as they come in; whole frames as they are complete."""

    def __init__(self, largest_bytes: int = 64 * 1024) -> None:
        self._held = bytearray()
        self._largest_bytes = largest_bytes

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every frame that `data` completes. Raises BadFrame for one that is too long."""
        held = self._held
        held += data
        while len(held) >= _LENGTH_BYTES:
            length = int.from_bytes(held[:_LENGTH_BYTES], "big")
            if length > self._largest_bytes:
                raise BadFrame(f"a frame of {length} bytes")
            end = _LENGTH_BYTES + length
            if len(held) < end:
                return
            frame = bytes(held[_LENGTH_BYTES:end])
            del held[:end]
            yield frame
