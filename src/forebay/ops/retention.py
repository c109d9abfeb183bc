"""What is kept longer than is declared goes: log files by their age, keys and revocations that have ended.

Each look starts from what is there, so that what a crash interrupts the next one completes.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from forebay.config.schema import Config
from forebay.privacy.stores import declared_s, log_span_s
from forebay.security.machines import forget_uses
from forebay.security.revoked import forget_ended
from forebay.security.stores import opened
from forebay.store.sqlite import leave_nothing
from forebay.store.state_dir import StateDir

_ENDED = "revoked_at < ? OR expires_at < ?"


def retain(config: Config, state: StateDir, base: Path, now_s: float) -> dict[str, int]:
    """Remove what is too old; how many of what were removed. `base` is the configuration's folder.

    Raises OSError, sqlite3.Error, ForebayError.
    """
    removed = {}
    keep_s = declared_s(config, "access_log")
    if keep_s is not None:
        removed["log_files"] = _logs(state.logs, now_s - keep_s + log_span_s(config))
    keep_s = declared_s(config, "keys")
    if keep_s is not None:
        with opened(config.store, state, base) as keys:
            done = keys.database.execute(f"DELETE FROM keys WHERE {_ENDED}", (now_s - keep_s, now_s - keep_s))  # noqa: S608
            removed["keys"] = done.rowcount
            removed["revocations"] = forget_ended(keys.database, now_s)
            if keys.shared:
                forget_uses(keys.database)
            else:  # also what an earlier look could not bring out, since somebody read
                leave_nothing(state.database)
    return {name: count for name, count in removed.items() if count}


def _logs(folder: Path, before_s: float) -> int:
    """A file whose last line is as old as this may hold lines that are due: it was written for `log_span_s`."""
    count = 0
    for path in folder.glob("*.log*"):
        with contextlib.suppress(FileNotFoundError):  # rotated meanwhile: the next look finds it
            found = path.stat()
            if found.st_mtime > before_s or not found.st_size:
                continue
            count += 1
            if path.suffix == ".log":
                os.truncate(path, 0)  # its writer appends, and finds the end where it is
            else:
                path.unlink()
    return count
