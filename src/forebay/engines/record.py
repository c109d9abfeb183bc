"""What a holder leaves on disk about its unit, so that another process can adopt it."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from typing import TypeVar

import msgspec

from forebay.core.errors import StateError
from forebay.core.files import write_atomically
from forebay.core.proc import Identity
from forebay.engines.spec import UnitSpec

T = TypeVar("T")

UNIT_MARK = "FOREBAY_UNIT"
"""Environment variable `<state directory>:<unit>` of every process that belongs to a unit, its holder included."""

HOLDER_MARK = "FOREBAY_HOLDER"
"""Environment variable that names one life of one holder: what it started, and nothing that came after."""


class UnitRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A unit as its holder last knew it. `exit_status` is negative for a signal; `error` says why it never started."""

    name: str
    digest: str
    port: int
    holder: Identity
    program: Identity | None = None
    started_at: float
    starts: int = 1
    ended_at: float | None = None
    exit_status: int | None = None
    error: str = ""


def digest_of(argv: tuple[str, ...], env: dict[str, str], cpus: tuple[int, ...] = ()) -> str:
    """Name what a unit is asked to be: the same digest means that it can be left alone."""
    return hashlib.sha256(msgspec.json.encode((argv, sorted(env.items()), cpus))).hexdigest()[:16]


def write_record(path: Path, record: UnitRecord) -> None:
    write_atomically(path, msgspec.json.encode(record))


def read_record(path: Path) -> UnitRecord | None:
    """The record at `path`; None where there is none. Raises StateError where it is damaged."""
    return _read(path, UnitRecord)


def write_spec(path: Path, spec: UnitSpec) -> None:
    write_atomically(path, msgspec.json.encode(spec))


def read_spec(path: Path) -> UnitSpec | None:
    """The spec at `path`; None where there is none. Raises StateError where it is damaged."""
    return _read(path, UnitSpec)


def describe_exit(status: int) -> str:
    """An exit status in words: `status 1`, `SIGKILL`."""
    if status >= 0:
        return f"status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def _read(path: Path, form: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=form)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StateError("the unit's file cannot be read", where=str(path), detail=str(error)) from error
