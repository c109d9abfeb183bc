"""The journal of a ladder: one JSON line for each thing that happened, written before anything is built on it.

A kill, or the loss of the machine, may cut the last line; it is dropped when the journal is read again.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

import msgspec

from forebay.core.errors import StateError
from forebay.messages import _
from forebay.tune.setting import Setting
from forebay.tune.trial import Trial

NAME = "journal.jsonl"


class Began(msgspec.Struct, frozen=True, kw_only=True, tag="began"):
    """A session of the ladder; the first one's `asked` holds for all."""

    at: float
    session: int
    asked: dict[str, object]
    baseline: Setting
    machine: dict[str, object] = {}


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="trial"):
    """A trial that is finished, whatever came of it."""

    trial: Trial


class Decided(msgspec.Struct, frozen=True, kw_only=True, tag="decided"):
    """What became of a change; `present` is the setting that stands after it."""

    at: float
    stage: str
    changes: tuple[str, ...]
    verdict: str
    kept: bool
    confirmed: bool
    gain: float | None
    low: float | None
    high: float | None
    why: str
    trial: int | None
    present: Setting


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="ended"):
    """Why a session ended."""

    at: float
    why: str
    finished: bool


Event = Began | Done | Decided | Ended


class Journal:
    """Appends events to `<folder>/journal.jsonl` and holds all of them; one writer at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            fix = _("Wait for it, or name another folder with --out")
            raise StateError(_("another ladder writes here"), where=str(self.path), fix=fix) from error
        self.events = self._read()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def append(self, event: Event) -> None:
        """Write it so that it outlives a loss of power, then hold it."""
        os.write(self._file, msgspec.json.encode(event) + b"\n")
        os.fsync(self._file)
        self.events.append(event)

    @property
    def began(self) -> Began | None:
        """The first session."""
        return next((event for event in self.events if isinstance(event, Began)), None)

    @property
    def sessions(self) -> int:
        return sum(isinstance(event, Began) for event in self.events)

    @property
    def trials(self) -> list[Trial]:
        return [event.trial for event in self.events if isinstance(event, Done)]

    @property
    def decisions(self) -> list[Decided]:
        return [event for event in self.events if isinstance(event, Decided)]

    def _read(self) -> list[Event]:
        content = os.pread(self._file, os.fstat(self._file).st_size, 0)
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.ftruncate(self._file, len(whole))
        return read_events(whole, self.path)


def read_events(content: bytes, path: Path) -> list[Event]:
    """The events of a journal's lines; StateError names a line that is none."""
    events: list[Event] = []
    for number, line in enumerate(content.splitlines(), 1):
        try:
            events.append(msgspec.json.decode(line, type=Event))
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            why = _("line {number} of the journal cannot be read: {error}").format(number=number, error=error)
            raise StateError(why, where=str(path), fix=_("Remove the line, or begin anew in another folder")) from error
    return events
