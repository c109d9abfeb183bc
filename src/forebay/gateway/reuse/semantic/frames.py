"""What workers and the embedder say to one another, each in a frame of its own. Pure."""

from __future__ import annotations

import msgspec


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
