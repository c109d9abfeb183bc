"""What the controller is to run, read from `running.json`, and how a change of it is ended there."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from forebay.controller.journal import Journal
from forebay.core.errors import ForebayError
from forebay.release.history import Event, append
from forebay.release.rollout.state import Rollout
from forebay.release.running import Change, Result, Running, ended, read_running, write_running
from forebay.release.store import Store
from forebay.store.state_dir import StateDir

_BACK_S = 120.0


class Changing:
    """The controller's side of a change: a command begins it, this ends it."""

    def __init__(self, state: StateDir, config: Path) -> None:
        self._path = state.running
        self._store = Store.beside(config)
        self.running: Running | None = None
        self.refused = ""

    def read(self) -> Running | None:
        """What is to run now; None where the service was started without a release."""
        self.keep()
        self.running = read_running(self._path)
        return self.running

    def keep(self) -> None:
        """Write again what runs, where it is gone under us: commands and the next controller go by it."""
        if self.running is not None and not self._path.exists():
            write_running(self._path, self.running)

    @property
    def change(self) -> Change | None:
        return self.running.change if self.running is not None else None

    @property
    def forward(self) -> bool:
        """Whether a new release is on its way in."""
        return self.change is not None and self.change.phase == "forward"

    @property
    def late(self) -> bool:
        """Whether its time is over; a part that stands is on trial, which takes as long as it takes."""
        change = self.change
        on_trial = change is not None and self.forward and change.stands
        return change is not None and not on_trial and time.time() > change.by_s

    def turn_back(self, why: str, journal: Journal) -> None:
        """The change has failed: the release before is wanted again."""
        running, change = self.running, self.change
        if running is None or change is None:
            return
        now = time.time()
        allowed_s = max(_BACK_S, change.by_s - change.at)
        back = msgspec.structs.replace(change, phase="back", why=why, by_s=now + allowed_s)
        self.running = msgspec.structs.replace(running, change=back)
        self.refused = ""
        write_running(self._path, self.running)
        journal.say("error", f"{change.to.name} is taken back: {why}", release=change.to.name)

    def end(self, result: Result, journal: Journal) -> None:
        """The link to the current release first: a crash in between comes here again."""
        running, change = self.running, self.change
        if running is None or change is None:
            return
        after = ended(running, result, time.time())
        try:
            # By its content: another machine's may have another name here, and one that could not be stored has none.
            if (stored := self._store.find(after.release.digest)) is not None:
                self._store.make_current(running.environment, stored.name)
            append(self._store.root, _event(running, change, result))
        except (ForebayError, OSError) as error:
            journal.say("error", f"what runs cannot be written to configs: {error}")
        self.running = after
        write_running(self._path, after)
        journal.say("info", f"{change.to.name} is {result}", release=after.release.name, by=change.by)

    def note(self, rollout: Rollout) -> None:
        """Write how far the rollout has come."""
        running, change = self.running, self.change
        if running is None or change is None or change.rollout == rollout:
            return
        self.running = msgspec.structs.replace(running, change=msgspec.structs.replace(change, rollout=rollout))
        write_running(self._path, self.running)

    def widen(self, journal: Journal) -> None:
        """The rollout has proven the release: all of it is wanted, in as much time as a change has."""
        running, change = self.running, self.change
        if running is None or change is None:
            return
        by_s = time.time() + max(_BACK_S, change.by_s - change.at)
        whole = msgspec.structs.replace(change, slots=None, beside=False, stands=False, by_s=by_s)
        self.running = msgspec.structs.replace(running, change=whole)
        write_running(self._path, self.running)
        journal.say("info", f"{change.to.name} is promoted", release=change.to.name)

    def hold(self, journal: Journal) -> None:
        """A part of a rollout stands: it waits for whoever judges it."""
        running, change = self.running, self.change
        if running is None or change is None or change.stands:
            return
        self.running = msgspec.structs.replace(running, change=msgspec.structs.replace(change, stands=True))
        write_running(self._path, self.running)
        journal.say("info", f"{change.to.name} runs in part", release=change.to.name)


def _event(running: Running, change: Change, result: Result) -> Event:
    return Event(
        at=time.time(),
        what=result if result != "applied" else change.kind,
        release=change.to.name,
        digest=change.to.digest,
        environment=running.environment,
        by=change.by,
        reason=change.why or change.reason,
        change=change.id,
    )
