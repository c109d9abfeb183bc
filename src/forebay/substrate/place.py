"""Where an engine listens that is put somewhere by somebody else: the file `run/<unit>.place`, written by its agent."""

from __future__ import annotations

from pathlib import Path

import msgspec

from forebay.core.files import write_atomically
from forebay.messages.reasons import Reason, because
from forebay.store.state_dir import StateDir


class Place(msgspec.Struct, frozen=True):
    """Address, port, and the engine's pid there, 0 where it has none that means anything.

    `port` is 0 while it is nowhere; `why` then says what it waits for, in the files of older builds `waits`.
    """

    host: str
    port: int
    pid: int = 0
    why: Reason | None = None
    waits: str = ""


def place_path(state: StateDir, name: str) -> Path:
    return state.run / f"{name}.place"


def write_place(path: Path, place: Place) -> None:
    write_atomically(path, msgspec.json.encode(place))


def read_place(path: Path) -> Place | None:
    """Where the engine of an agent listens; None while it does not."""
    place = _read(path)
    return place if place is not None and place.port else None


def read_waits(path: Path) -> Reason | None:
    """What the engine of an agent waits for before it can be anywhere; None where nothing is known of it."""
    place = _read(path)
    if place is None or place.port:
        return None
    return place.why or (because("said", text=place.waits) if place.waits else None)


def _read(path: Path) -> Place | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Place)
    except (OSError, msgspec.DecodeError):
        return None
