"""What a controller does about files of the state directory that are gone or damaged when it begins."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from forebay.controller.journal import Journal
from forebay.controller.status import Status, read_status
from forebay.core.errors import ForebayError, StateError
from forebay.gateway.snapshot import read
from forebay.messages import _
from forebay.release.running import Running, Side, read_running, write_running
from forebay.release.store import Store
from forebay.release.version import Release
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir


def restore_running(state: StateDir, config: Path, journal: Journal) -> None:
    """Go on with the stored release that ran, where `running.json` is gone; the file may hold what nobody applied.

    A change that was under way is not known any more: what it has started is ended as anything that nobody wants.
    """
    try:
        if read_running(state.running) is not None:
            return
    except StateError:
        found = _ran(state, Store.beside(config))
        if found is None:
            raise
    else:
        found = _ran(state, Store.beside(config))
    if found is not None:
        write_running(state.running, found)
        journal.say("error", f"{state.running.name} was gone or damaged: {found.release.name} goes on, and no change")


def refuse_lost_keys(state: StateDir, *, shared: bool) -> None:
    """StateError where workers know keys, and what those come from is gone: to begin anew would shut everybody out."""
    try:
        _digest, snapshot = read(state.current_snapshot)
    except StateError:
        return
    if shared or not snapshot.keys:
        return
    now = time.time()
    # A key keeps its row long after it has ended: one that has none was lost, with the whole file or a part of it.
    held = {key.id for key in snapshot.keys if key.expires_at is None or key.expires_at > now}
    lost = state.database if held - _stored(state.database) else None
    if (path := lost if state.pepper.exists() else state.pepper) is not None:
        fix = _("Restore it from a backup; or, if those keys are meant to be gone, remove {link} and start again")
        what = _("keys that the workers hold are not in here any more; they go on with them")
        raise StateError(what, where=str(path), fix=fix.format(link=state.current_snapshot))


def _stored(database: Path) -> frozenset[str]:
    """Every key that was ever made."""
    if not database.exists():
        return frozenset()
    connection = connect(database)
    try:
        return frozenset(row["id"] for row in connection.execute("SELECT id FROM keys"))
    finally:
        connection.close()


def _ran(state: StateDir, store: Store) -> Running | None:
    """The release that the last status names, else the one that the only link leads to."""
    with contextlib.suppress(ForebayError, OSError):
        status = _status(state)
        if status is not None and status.release is not None:
            release = store.find(status.release.digest)
            return None if release is None else _running(release, status.controller.environment)
        links = list(store.root.glob("*/current"))
        if len(links) == 1:
            environment = links[0].parent.name
            current = store.current(environment)
            return None if current is None else _running(current, environment)
    return None


def _status(state: StateDir) -> Status | None:
    with contextlib.suppress(StateError):
        return read_status(state.status)
    return None


def _running(release: Release, environment: str) -> Running:
    side = Side(name=release.name, digest=release.digest, config=release.values(environment))
    return Running(environment=environment, release=side)
