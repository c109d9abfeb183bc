"""What the controller last saw, as the admin process needs it."""

from __future__ import annotations

from pathlib import Path

import msgspec


class EngineStatus(msgspec.Struct, frozen=True):
    """One engine's line; fields that only people read stay in the file."""

    name: str
    state: str
    restarts: int = 0
    ready_after_s: float | None = None
    orphaned_s: float = 0.0
    parked: bool = False


class DiscoveryStatus(msgspec.Struct, frozen=True):
    """One source of engines."""

    name: str
    engines: int
    trouble: str
    failures: int


class RolloutStatus(msgspec.Struct, frozen=True):
    """A release on part of the calls."""

    strategy: str
    share_ratio: float
    stage: str


class ReleaseStatus(msgspec.Struct, frozen=True):
    """The release that runs, and one on trial."""

    reverted: bool = False
    rollout: RolloutStatus | None = None


class StoreStatus(msgspec.Struct, frozen=True):
    """PostgreSQL with the keys of all machines."""

    trouble: str = ""
    believed: bool = True


class Status(msgspec.Struct, frozen=True):
    """`run/status.json`, which has the form of `forebay status -o json`."""

    engines: tuple[EngineStatus, ...] = ()
    discovery: tuple[DiscoveryStatus, ...] = ()
    release: ReleaseStatus | None = None
    store: StoreStatus | None = None


def read_status(path: Path) -> Status:
    """Read the file; a controller that has not written one yet, or a damaged one, reads as no engines."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return Status()
