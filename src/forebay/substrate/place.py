"""Where an engine listens that is put somewhere by somebody else: the file `run/<unit>.place`, written by its agent."""

from __future__ import annotations

from pathlib import Path

import msgspec

from forebay.core.files import write_atomically
from forebay.store.state_dir import StateDir


class Place(msgspec.Struct, frozen=True):
    """Address, port, and the engine's pid there, 0 where it has none that means anything."""

    host: str
    port: int
    pid: int = 0


def place_path(state: StateDir, name: str) -> Path:
    return state.run / f"{name}.place"


def write_place(path: Path, place: Place) -> None:
    write_atomically(path, msgspec.json.encode(place))


def read_place(path: Path) -> Place | None:
    """Where the engine of an agent listens; None while it does not."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Place)
    except (OSError, msgspec.DecodeError):
        return None
