"""The log of releases: one JSON line for everything that was made, promoted, applied or rolled back; git where it is.

A commit carries the same as trailers, so that `git log` alone tells who released what, and why.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from forebay.core.errors import RunError
from forebay.messages import _

LOG = "log.jsonl"
_GIT_S = 30.0


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the log. `at` is seconds since the epoch."""

    at: float
    what: str
    release: str
    digest: str
    environment: str = ""
    by: str
    reason: str = ""
    change: str = ""


def change_id() -> str:
    """A name for one change, to find it by in logs, commits and tickets."""
    return f"I{secrets.token_hex(8)}"


def append(root: Path, event: Event) -> None:
    """Add a line to `configs/log.jsonl`, whole or not at all; a line that a crash cut is left behind alone."""
    root.mkdir(parents=True, exist_ok=True)
    line = msgspec.json.encode(event) + b"\n"
    descriptor = os.open(root / LOG, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            line = b"\n" + line
        os.write(descriptor, line)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def events(root: Path) -> list[Event]:
    """Every whole line, oldest first."""
    try:
        lines = (root / LOG).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Event))
        except msgspec.DecodeError:  # cut by a crash: what it told of did not happen, or is told again
            continue
    return found


def author(folder: Path) -> str:
    """Who works here: FOREBAY_AUTHOR, git's `user.email`, else the user of this process."""
    environ = os.environ
    configured = environ.get("FOREBAY_AUTHOR") or _git(folder, "config", "user.email", check=False).strip()
    return configured or environ.get("USER") or environ.get("LOGNAME") or f"uid {os.getuid()}"


def commit(root: Path, paths: Iterable[Path], event: Event) -> str | None:
    """Commit `paths` and the log alone, leaving what else is staged; None where `root` is not in git, or ignored.

    Raises RunError where git refuses, as a hook may.
    """
    here = [path for path in (*paths, root / LOG) if path.exists() or path.is_symlink()]
    if _git(root, "rev-parse", "--is-inside-work-tree", check=False).strip() != "true":
        return None
    if _git(root, "check-ignore", "--", *map(str, here), check=False).strip():
        return None
    _git(root, "add", "--", *map(str, here))
    if not _git(root, "diff", "--cached", "--name-only", "--", *map(str, here)).strip():
        return None
    _git(root, "commit", "--quiet", "--message", message(event), "--only", "--", *map(str, here))
    return _git(root, "rev-parse", "HEAD").strip()


def message(event: Event) -> str:
    """The commit's words and trailers."""
    where = f" in {event.environment}" if event.environment else ""
    trailers = {
        "Release": f"{event.release} sha256:{event.digest}",
        "Environment": event.environment,
        "Author": event.by,
        "Reason": event.reason,
        "Change-Id": event.change,
    }
    lines = [f"{name}: {' '.join(text.split())}" for name, text in trailers.items() if text]
    return f"release: {event.what} {event.release}{where}\n\n" + "\n".join(lines) + "\n"


def _git(folder: Path, *arguments: str, check: bool = True) -> str:
    place = next(each for each in (folder, *folder.parents) if each.is_dir())
    argv: Sequence[str] = ("git", "-C", str(place), *arguments)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_GIT_S, check=False, env=environ, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:  # a machine without git keeps the log file
        return ""
    except subprocess.TimeoutExpired as error:
        raise RunError(_("git does not answer"), where=str(place)) from error
    if check and done.returncode:
        raise RunError(_("git refuses: {why}").format(why=done.stderr.strip()[:500]), where=str(place), code="git")
    return done.stdout
