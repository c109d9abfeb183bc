"""What a source of engines answers with, and how it says that it cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from forebay.core.errors import ForebayError

MOST_ENGINES = 1024
"""An answer with more is taken for a mistake: memory and the snapshot stay bounded whatever a source says."""


class Found(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """An engine at `host:port`. `name` is unique in its source and the same each time the engine is found."""

    name: str
    host: str
    port: int
    max_outstanding: int | None = None


Tell = Callable[[tuple[Found, ...]], None]


class DiscoveryError(ForebayError):
    """A source did not answer, or with something that cannot be understood."""


class Source(Protocol):
    """Where engines are found."""

    async def watch(self, tell: Tell) -> None:
        """Tell every whole answer, for ever; raises DiscoveryError where there is none. Called again after a pause."""
        ...
