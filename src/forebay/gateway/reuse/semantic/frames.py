"""What workers and the embedder say to one another: a length of four bytes, then msgpack. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

_LENGTH_BYTES = 4
# Nine texts of at most 300 characters each, or their similarities, are far below it.
_LARGEST_BYTES = 64 * 1024


class Compare(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How near is `text` to each of `others`? Nobody waits any more at `until`, on the machine's monotonic clock."""

    number: int
    until: float
    text: str
    others: tuple[str, ...]


class Compared(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Cosines in the order that was asked; none where the embedder cannot tell."""

    number: int
    similarities: tuple[float, ...]


class BadFrame(ValueError):
    """Bytes that are no frame; nothing behind them can be understood."""


_encode = msgspec.msgpack.Encoder().encode


def framed(message: Compare | Compared) -> bytes:
    """`message` as it is sent."""
    written = _encode(message)
    return len(written).to_bytes(_LENGTH_BYTES, "big") + written


class Frames:
    """Bytes as they come in; whole frames as they are complete."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Every frame that `data` completes. Raises BadFrame for one that is too long."""
        held = self._held
        held += data
        while len(held) >= _LENGTH_BYTES:
            length = int.from_bytes(held[:_LENGTH_BYTES], "big")
            if length > _LARGEST_BYTES:
                raise BadFrame(f"a frame of {length} bytes")
            end = _LENGTH_BYTES + length
            if len(held) < end:
                return
            frame = bytes(held[_LENGTH_BYTES:end])
            del held[:end]
            yield frame
