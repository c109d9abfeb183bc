"""What is kept longer than is declared goes: log files by their age, keys that have ended.

Each look starts from what is there, so that what a crash interrupts the next one completes.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from forebay.config.schema import Config
from forebay.privacy.stores import declared_s, log_span_s
from forebay.store.sqlite import connect
from forebay.store.state_dir import StateDir

_ENDED = "revoked_at < ? OR expires_at < ?"


def retain(config: Config, state: StateDir, now_s: float) -> dict[str, int]:
    """Remove what is too old; how many of what were removed. Raises OSError, sqlite3.Error, StateError."""
    removed = {}
    keep_s = declared_s(config, "access_log")
    if keep_s is not None:
        removed["log_files"] = _logs(state.logs, now_s - keep_s + log_span_s(config))
    keep_s = declared_s(config, "keys")
    if keep_s is not None and state.database.exists():
        removed["keys"] = _keys(state.database, now_s - keep_s)
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


def _keys(path: Path, before_s: float) -> int:
    database = connect(path)
    try:
        done: sqlite3.Cursor = database.execute(f"DELETE FROM keys WHERE {_ENDED}", (before_s, before_s))  # noqa: S608
        return done.rowcount
    finally:
        database.close()
