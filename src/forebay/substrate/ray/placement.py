"""Where an engine may be put, and what its agent is told: the file `run/<unit>.remote`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from forebay.core.files import write_atomically
from forebay.engines.spec import Needs, UnitSpec


class Remote(msgspec.Struct, frozen=True, kw_only=True):
    """An engine for the cluster at `address`. `folder` is where its node keeps its log and record.

    `engine.argv` holds `{host}` and `{port}`, which its node fills in; `engine.env` comes on top of the node's own.
    """

    address: str
    namespace: str
    folder: str
    needs: Needs
    engine: UnitSpec

    @property
    def actor(self) -> str:
        """The actor's name, by which every driver finds it."""
        return f"{self.namespace}:{self.engine.name}"


def write_remote(path: Path, remote: Remote) -> None:
    write_atomically(path, msgspec.json.encode(remote))


def read_remote(path: Path) -> Remote:
    return msgspec.json.decode(path.read_bytes(), type=Remote)
