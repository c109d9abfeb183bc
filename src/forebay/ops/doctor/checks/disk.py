"""Room for logs and state, and the state directory's permissions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from forebay.core.errors import Finding
from forebay.core.units import show_size
from forebay.messages import _
from forebay.ops.doctor.run import Subject, checks, finding

_MINIMUM_BYTES = 256 * 1024 * 1024


@checks.add("disk")
def disk(subject: Subject) -> Iterator[Finding]:
    """A full disk stops SQLite and logs; rotated logs of every part must fit."""
    config = subject.loaded.config
    engines = sum(getattr(engine, "count", 1) for model in config.models.values() for engine in model.engines)
    parts = engines + config.gateway.workers + 3
    logs = parts * config.observe.log.rotate * (config.observe.log.keep + 1)
    folder = _existing(subject.state.root)
    free = shutil.disk_usage(folder).free
    where = str(subject.state.root)
    if free < _MINIMUM_BYTES:
        why = _("{free} MiB are free; the service stops when the disk is full").format(free=free // 2**20)
        yield finding("disk_full", "error", where, why, _("Free space, or set FOREBAY_STATE to another disk"))
    elif free < logs:
        why = _("{free} MiB are free; logs may grow to {logs}").format(free=free // 2**20, logs=_rounded(logs))
        fix = _("Lower observe.log.rotate or observe.log.keep, or set FOREBAY_STATE to another disk")
        yield finding("disk_small", "warning", where, why, fix)


@checks.add("state")
def state(subject: Subject) -> Iterator[Finding]:
    """The state directory holds keys: it must be this user's alone, and writable."""
    root = subject.state.root
    if not root.exists():
        if not os.access(_existing(root), os.W_OK):
            why = _("the state directory cannot be made")
            fix = _("Make {parent} writable, or set FOREBAY_STATE").format(parent=_existing(root))
            yield finding("state_unwritable", "error", str(root), why, fix)
        return
    held = root.stat()
    if held.st_uid != os.geteuid():
        why = _("the state directory belongs to another user")
        yield finding("state_owner", "error", str(root), why, _("Run as that user, or set FOREBAY_STATE"))
    if held.st_mode & 0o077:
        why = _("others may look into the state directory, which holds keys")
        yield finding("state_open", "error", str(root), why, f"chmod 700 {root}")


def _existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())


def _rounded(count: int) -> str:
    return show_size(count // 2**20 * 2**20)
