"""The store that machines share: reached as a gateway's controller would reach it, and who is late there."""

from __future__ import annotations

import time
from collections.abc import Iterator

from forebay.core.errors import Finding, ForebayError
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding
from forebay.security import machines
from forebay.security.stores import opened
from forebay.store.state_dir import StateDir


@checks.add("store")
def store(subject: Subject) -> Iterator[Finding]:
    """One connection with everything that may be wrong with it: name, TLS, password, rights, tables, pepper."""
    config = subject.loaded.config
    if config.store.postgres is None:
        return
    where = subject.loaded.where(("store", "postgres"))
    began_s = time.monotonic()
    try:
        with opened(config.store, subject.state, subject.base) as keys:
            took_ms = (time.monotonic() - began_s) * 1000
            change = machines.revision(keys.database)
            late = machines.behind(keys.database, change, _here(subject.state))
    except ForebayError as error:
        yield finding("store_lost", "error", where, error.what, error.fix)
        return
    for machine in late:
        why = _("{machine} has not told yet that its gateways hold the newest keys").format(machine=machine)
        yield finding("store_machine_late", "warning", where, why, _("Look at `forebay status` there"))
    said = _("PostgreSQL answered in {ms:.0f} ms; its keys were changed {n} times")
    yield finding("store", "note", where, said.format(ms=took_ms, n=change))


def _here(state: StateDir) -> str:
    """What this machine goes by; it makes no name for itself by looking."""
    return machines.machine_id(state) if state.machine.exists() else ""
