"""What a driver tells its agent, a line of JSON each."""

from __future__ import annotations

import msgspec

from forebay.substrate.place import Place


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the engine listens; lines of its log; why it has ended; what no node has room for."""

    place: Place | None = None
    log: str = ""
    ended: str = ""
    waits: str = ""
