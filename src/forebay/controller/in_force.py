"""Whether a change has reached every gateway worker, read from what they acknowledge."""

from __future__ import annotations

import time
from collections.abc import Callable

from forebay.core.errors import StateError
from forebay.engines.record import read_record
from forebay.gateway.snapshot import Snapshot, read
from forebay.messages import _
from forebay.security import machines
from forebay.security.stores import Keys
from forebay.store.state_dir import StateDir
from forebay.substrate.local import is_running

Claim = Callable[[Snapshot], bool]
_LOOK_S = 0.02


def await_in_force(state: StateDir, claim: Claim, within_s: float) -> tuple[str, ...]:
    """Wait until the snapshot of every running worker fulfils `claim`; returns the workers that do not by then."""
    end_s = time.monotonic() + within_s
    while late := workers_without(state, claim):
        if time.monotonic() >= end_s:
            return late
        time.sleep(_LOOK_S)
    return ()


def await_everywhere(state: StateDir, keys: Keys, claim: Claim, within_s: float) -> tuple[str, ...]:
    """The same for a change of a key, also on the machines that share the store; returns who is late, in words."""
    end_s = time.monotonic() + within_s
    late = await_in_force(state, claim, within_s)
    if late or not keys.shared:
        return late
    try:
        wanted = machines.revision(keys.database)
        while behind := machines.behind(keys.database, wanted, besides=machines.machine_id(state)):
            if time.monotonic() >= end_s:
                return tuple(str(machine) for machine in behind)
            time.sleep(_LOOK_S)
    except StateError as error:
        return (_("the other machines ({why})").format(why=error.what),)
    return ()


def workers_without(state: StateDir, claim: Claim) -> tuple[str, ...]:
    """Running workers whose snapshot does not fulfil `claim`, or whose snapshot cannot be told."""
    return tuple(name for name in running_workers(state) if not _fulfils(state, name, claim))


def running_workers(state: StateDir) -> tuple[str, ...]:
    """Gateway workers that live now: one that starts later takes the newest snapshot."""
    if not state.current_snapshot.exists():
        return ()
    _digest, snapshot = read(state.current_snapshot)
    return tuple(name for name in snapshot.workers if _runs(state, name))


def _runs(state: StateDir, worker: str) -> bool:
    record = read_record(state.unit(worker))
    return record is not None and is_running(record)


def _fulfils(state: StateDir, worker: str, claim: Claim) -> bool:
    try:
        digest = state.acknowledgement(worker).read_text("ascii")
        _digest, snapshot = read(state.snapshots / f"{digest}.json")
    except (OSError, UnicodeDecodeError, StateError):  # not acknowledged yet, or a snapshot so old that it is pruned
        return False
    return claim(snapshot)
