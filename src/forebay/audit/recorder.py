"""Whoever holds the log: seals what is a person's, appends, signs, and stops when the disk cannot be trusted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from forebay.audit import consents, store, subjects
from forebay.audit.consents import Consent, Consents
from forebay.audit.database import opened
from forebay.audit.note import Checkpoint, Note, Signer, signed
from forebay.audit.persons import named, person
from forebay.audit.record import CONSENT, ERASURE, Entry, Fact, leaf_of
from forebay.audit.signing import log_signer
from forebay.core.errors import StateError
from forebay.core.files import write_atomically

LOG, SUBJECTS, CONSENTS, LOCK, STOPPED = "log.db", "subjects.db", "consents.db", "lock", "stopped"
DESTROYED = "destroyed"
"""Names of keys that erasures destroyed, a line each: a `subjects.db` that comes back from a copy loses them again."""
SAID = "said"
"""How often consents had changed: a `consents.db` that comes back from a copy is behind it, and is not believed."""
_KEEP_S = 60.0
# What leaves the disk as it was: SQLite takes the transaction back, and a later one may well succeed. After anything
# else, an fsync that failed above all, the kernel may have dropped what it could not write and call it clean.
_PASSING = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM}


class Unrecorded(Exception):
    """The entries are not in the log. `reason`: `full` may pass by itself, `stopped` does not.

    `read`: somebody reads what was destroyed, and it stays in a log of writes as long as they do.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Receipt(msgspec.Struct, frozen=True):
    """The keys that were destroyed; `position` is where the log says so. `held`: the person may not be erased."""

    keys: tuple[str, ...]
    position: int
    held: bool = False


class Recorder:
    """The one writer of a log."""

    def __init__(
        self, log: store.Log, keys: subjects.SubjectKeys, said: Consents, signer: Signer, folder: Path
    ) -> None:
        self._log = log
        self._keys = keys
        self._consents = said
        self._signer = signer
        self._folder = folder
        self._kept_s = float("-inf")
        self._lock = -1
        # What was destroyed may be in a log of writes: also what a writer before this one had no time to bring out.
        self._left = True
        self._owed: list[tuple[Entry, str]] = []
        self._unfinished: dict[str, tuple[str, ...]] = {}
        marker = folder / STOPPED
        self.stopped = marker.read_text().strip() if marker.exists() else ""

    @property
    def size(self) -> int:
        return self._log.size

    @property
    def is_unsettled(self) -> bool:
        """Whether something that was destroyed may be in a log of writes still, or is not recorded as destroyed."""
        return self._left or bool(self._owed)

    def record(self, entries: Sequence[Entry]) -> int:
        """Append `entries`; they are on the disk when this returns the position of the first. Raises Unrecorded."""
        if self.stopped:
            raise Unrecorded("stopped")
        now_s = time.monotonic()
        keep = now_s - self._kept_s > _KEEP_S
        try:
            leaves = [leaf_of(entry, self._keys.seal(entry)) for entry in entries]
            self._keys.commit()
            first = self._log.append(leaves, self._sign, keep=keep)
        except sqlite3.Error as error:
            self._keys.forget_fresh()
            raise self._failed(error) from error
        if keep:
            self._kept_s = now_s
        return first

    def shred(self, tenant: str, subject: str, by: str, at_us: int) -> Receipt:
        """Destroy a subject's keys and record that: first that it is asked for, so that none goes unseen.

        Raises Unrecorded; what is destroyed by then stays so, and the next attempt completes it.
        """
        who = person(tenant, subject)
        names = (*self._unfinished.get(who, ()), *self._keys.ids_of(who))
        entry = Entry(ERASURE, f"erasure-{at_us}", at_us, {"tenant": tenant, "by": by, "keys": " ".join(names)})
        if self._keys.is_held(who):
            return Receipt((), self._note(entry, "held"), held=True)
        if not names and not self._consents.has(who):
            self.settle(wait=True)
            return Receipt((), self._note(entry, "no_key"))
        self._note(entry, "asked")
        self._remember(names)
        self._left = True
        self._changing_consents(partial(self._consents.forget, who))
        self._changing(partial(self._keys.shred, who))
        self._unfinished[who] = names
        self._owed.append((entry, "destroyed"))
        position = self.settle(wait=True)
        del self._unfinished[who]
        return Receipt(names, position)

    def expire(self, before_us: int, at_us: int) -> int:
        """Destroy the keys of what is older; returns how many. What a crash interrupts the next time completes.

        While somebody reads, that it is done is recorded by a later `settle`. Raises Unrecorded.
        """
        act = partial(self._changing, partial(self._keys.expire, before_us))
        return self._age("retention", self._keys.old(before_us), before_us, at_us, act)

    def forget_withdrawn(self, before_us: int, at_us: int) -> int:
        """Consents that were withdrawn before this time are forgotten; returns how many. Raises Unrecorded."""
        act = partial(self._changing_consents, partial(self._consents.expire, before_us))
        return self._age("withdrawn", self._consents.old(before_us), before_us, at_us, act)

    def consent(self, tenant: str, subject: str, purpose: str, by: str, at_us: int, *, granted: bool) -> Receipt:
        """Record what a person says of a purpose, then let it count, then record that it does. Raises Unrecorded."""
        facts: dict[str, Fact] = {"tenant": tenant, "by": by, "purpose": purpose}
        entry = Entry(CONSENT, f"consent-{at_us}", at_us, facts, named(subject))
        self._note(entry, "grant_asked" if granted else "withdraw_asked")
        said = Consent(purpose, granted, at_us, entry.id)
        self._changing_consents(partial(self._consents.put, person(tenant, subject), said))
        return Receipt((), self._note(entry, "granted" if granted else "withdrawn"))

    def hold(self, tenant: str, subject: str, by: str, at_us: int, *, on: bool) -> Receipt:
        """Keep a subject's records from being erased, or no longer. Raises Unrecorded."""
        who = person(tenant, subject)
        entry = Entry(ERASURE, f"hold-{at_us}", at_us, {"tenant": tenant, "by": by}, named(subject))
        self._note(entry, "hold_asked" if on else "release_asked")
        self._changing(partial(self._keys.hold, who, at_us) if on else partial(self._keys.release, who))
        self._changing(partial(self._consents.hold, who, on=on))
        return Receipt((), self._note(entry, "held" if on else "released"), held=on)

    def settle(self, *, wait: bool) -> int:
        """Bring what was destroyed out of the logs of writes, then record what waited for that; returns the last place.

        Raises Unrecorded, `read` while somebody reads; with `wait` after as long as a connection waits.
        """
        if self._left:
            self._leave_nothing(wait=wait)
            self._left = False
        position = -1
        while self._owed:
            position = self._note(*self._owed[0])
            del self._owed[0]
        return position

    def note_old_consents(self) -> None:
        """Record that who had consented is not believed; a log that takes nothing now says so of every call."""
        at_us = time.time_ns() // 1000
        with contextlib.suppress(Unrecorded):
            self._note(Entry(CONSENT, f"consents-{at_us}", at_us, {"by": "forebay"}), "older_copy_forgotten")

    def close(self) -> None:
        self._log.close()
        self._keys.close()
        self._consents.close()
        if self._lock >= 0:
            os.close(self._lock)

    def keep_lock(self, lock: int) -> Recorder:
        """Keep the lock for as long as this is open."""
        self._lock = lock
        return self

    def _note(self, entry: Entry, result: str) -> int:
        facts: dict[str, Fact] = {**entry.facts, "result": result}
        return self.record([msgspec.structs.replace(entry, facts=facts)])

    def _age(self, what: str, count: int, before_us: int, at_us: int, act: Callable[[], None]) -> int:
        """Record that what is older is to go, let it go, and record that once nothing of it is left."""
        if count:
            entry = Entry(ERASURE, f"{what}-{at_us}", at_us, {"before_us": before_us, "count": count})
            self._note(entry, "asked")
            self._left = True
            act()
            self._owed.append((entry, "expired"))
            self._settle_soon()
        return count

    def _settle_soon(self) -> None:
        """Settle unless somebody reads: everybody's records wait meanwhile."""
        try:
            self.settle(wait=False)
        except Unrecorded as error:
            if error.reason != "read":
                raise

    def _leave_nothing(self, *, wait: bool) -> None:
        try:
            self._keys.leave_nothing(wait=wait)
            self._consents.leave_nothing(wait=wait)
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
                raise Unrecorded("read") from error
            raise self._failed(error) from error

    def _remember(self, names: Sequence[str]) -> None:
        """What is about to be destroyed stays so, whatever is restored. Raises Unrecorded where the disk is full."""
        try:
            with (self._folder / DESTROYED).open("a", encoding="ascii") as file:
                # A line of its own, also behind one that a full disk has cut off.
                file.write("".join(f"\n{name}\n" for name in names))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Unrecorded("full") from error

    def _changing_consents(self, act: Callable[[], None]) -> None:
        self._changing(act)
        try:
            write_atomically(self._folder / SAID, b"%d\n" % self._consents.changes)
        except OSError as error:
            raise Unrecorded("full") from error

    def _changing(self, act: Callable[[], None]) -> None:
        try:
            act()
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _sign(self, checkpoint: Checkpoint) -> Note:
        return signed(checkpoint, self._signer.sign(checkpoint.text))

    def _failed(self, error: sqlite3.Error) -> Unrecorded:
        if getattr(error, "sqlite_errorcode", None) in _PASSING:
            return Unrecorded("full")
        self.stopped = f"{type(error).__name__}: {error} ({getattr(error, 'sqlite_errorname', 'unknown')})"
        # No fsync, which is what fails; should the file not come about, this process stays, and stays stopped.
        with contextlib.suppress(OSError):
            (self._folder / STOPPED).write_text(f"{self.stopped}\n")
        return Unrecorded("stopped")


def open_recorder(folder: Path, service: str) -> Recorder:
    """Take the log in `folder`, made where it is missing. Raises StateError where another holds it or it is damaged."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _locked(folder / LOCK)
    try:
        signer = log_signer(folder, f"forebay/{service}")
        log = store.Log(opened(folder / LOG, store.SCHEMA), signer.verifier.name)
        keys = subjects.SubjectKeys(opened(folder / SUBJECTS, subjects.SCHEMA))
        keys.destroy(_destroyed(folder / DESTROYED))
        said = Consents(opened(folder / CONSENTS, consents.SCHEMA))
        recorder = Recorder(log, keys, said, signer, folder)
        known = _number_in(folder / SAID)
        if said.changes < known:
            recorder.note_old_consents()  # first, so that none is forgotten unseen
            said.begin_anew(known)
        with contextlib.suppress(Unrecorded):
            recorder.settle(wait=False)
    except BaseException:
        os.close(lock)
        raise
    return recorder.keep_lock(lock)


def _destroyed(path: Path) -> list[str]:
    return path.read_text("ascii").split() if path.exists() else []


def _number_in(path: Path) -> int:
    """Raises StateError where it is none: how much is missing cannot be told."""
    try:
        return int(path.read_text("ascii"))
    except FileNotFoundError:
        return 0
    except ValueError as error:
        what = "how often consents have changed cannot be read"
        fix = "Remove it and consents.db: nobody has consented then"
        raise StateError(what, where=str(path), fix=fix) from error


def resume(folder: Path) -> str:
    """Take up a log that was stopped: write all of it anew, to a disk that can be trusted again.

    What is read back after a failed fsync may be in memory alone, and nothing but a new copy brings it to the disk.
    Returns why it was stopped, empty where it was not. Raises StateError where a writer holds it or a copy fails.
    """
    lock = _locked(folder / LOCK)
    try:
        marker = folder / STOPPED
        if not marker.exists():
            return ""
        why = marker.read_text().strip()
        for name in (LOG, SUBJECTS, CONSENTS):
            _copy_anew(folder / name)
        marker.unlink()
        return why
    except (OSError, sqlite3.Error) as error:
        raise StateError(
            "the audit log cannot be written anew", where=str(folder), fix="Move the folder to a disk that works",
            detail=str(error),
        ) from error  # fmt: skip
    finally:
        os.close(lock)


def _copy_anew(path: Path) -> None:
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)  # SQLite writes into a file that is empty, and it is never anybody else's to read
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.execute("VACUUM INTO ?", (str(draft),))
    _sync(draft)
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    draft.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    """One writer a log: two would each believe to append to what the other has changed."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateError("another process writes the audit log", where=str(path), code="audit_held") from None
    return descriptor
