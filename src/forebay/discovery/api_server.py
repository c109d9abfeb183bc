"""What the API server of a cluster says beside the objects themselves."""

from __future__ import annotations

from typing import Literal

import msgspec


class Event(msgspec.Struct, frozen=True):
    """A line of a watch: what became of an object, and the object; of an ERROR, a `Said`."""

    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class Said(msgspec.Struct, frozen=True):
    """Why it will not; its own name for it is Status."""

    code: int = 0
    message: str = ""
