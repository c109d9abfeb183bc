"""What a controller that stands by tells of itself: `run/<unit>.standby`."""

from __future__ import annotations

import msgspec

from forebay.core.files import write_atomically
from forebay.core.proc import start_ticks
from forebay.store.state_dir import StateDir


class Standby(msgspec.Struct, frozen=True):
    """`since`: seconds since the epoch."""

    unit: str
    pid: int
    since: float


def tell(state: StateDir, standby: Standby) -> None:
    write_atomically(state.standby(standby.unit), msgspec.json.encode(standby))


def forget(state: StateDir, unit: str) -> None:
    state.standby(unit).unlink(missing_ok=True)


def standing_by(state: StateDir) -> tuple[Standby, ...]:
    """Every controller of this machine that lives and stands by."""
    found = []
    for path in sorted(state.run.glob("*.standby")):
        try:
            standby = msgspec.json.decode(path.read_bytes(), type=Standby)
        except (OSError, msgspec.DecodeError):  # it leads by now, or was killed while it wrote
            continue
        if start_ticks(standby.pid) is not None:
            found.append(standby)
    return tuple(found)
