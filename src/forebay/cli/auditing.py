"""The audit log as commands reach it: opened for reading, its key, and what witnesses have signed."""

from __future__ import annotations

import os
import pwd
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path

import click
import orjson

from forebay.audit import client
from forebay.audit.database import read_only
from forebay.audit.note import BadNote, Note, Verifier, read_note
from forebay.audit.record import Fact
from forebay.audit.recorder import LOG, SUBJECTS
from forebay.audit.signing import log_verifier
from forebay.audit.store import Kept, leaves_of
from forebay.audit.subjects import Opener
from forebay.audit.witness_feed import WITNESSED
from forebay.core.errors import RunError, UsageError
from forebay.messages import _
from forebay.store.state_dir import StateDir


def decided(state: StateDir, action: str, *, urgent: bool = False, **facts: Fact) -> AbstractContextManager[None]:
    """What an operator decides, on the audit log before it is done; what is `urgent` is done also without."""

    def warn(why: str) -> None:
        click.echo(_("not recorded: {why}").format(why=why), err=True)

    return client.decided(state, action, operator(), facts, warn if urgent else None)


def operator() -> str:
    """Whoever types: the system's word for it, which is as good as the system's log-in."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = ""
    asked_for = os.environ.get("SUDO_USER", "")
    return f"{name or os.getuid()}@{socket.gethostname()}" + (f" for {asked_for}" if asked_for else "")


def own_key(folder: Path) -> Verifier:
    """The public key beside a log. Raises StateError."""
    return log_verifier(folder)


def witnessed_of(folder: Path) -> list[Note]:
    """What witnesses have signed."""
    return [read_note(path.read_text(encoding="utf-8")) for path in sorted(folder.glob(f"{WITNESSED}-*"))]


@contextmanager
def opened_log(folder: Path) -> Iterator[tuple[sqlite3.Connection, Opener]]:
    """A log and what opens the personal fields of its records, where that is still there."""
    if not (folder / LOG).exists():
        raise RunError(
            _("there is no audit log"), where=str(folder), fix=_("Records are kept where `audit.enabled` is true")
        )
    keys = folder / SUBJECTS
    with ExitStack() as open_files:
        log = open_files.enter_context(closing(read_only(folder / LOG)))
        subjects = open_files.enter_context(closing(read_only(keys))) if keys.exists() else None
        yield log, Opener(subjects)


@contextmanager
def readable() -> Iterator[None]:
    """What is no key, checkpoint or proof is the command line's mistake."""
    try:
        yield
    except (BadNote, UnicodeDecodeError) as error:
        fix = _("A key is what a `log.vkey` holds; checkpoints, proofs and receipts are those that forebay wrote")
        raise UsageError(str(error), fix=fix, code="usage") from error


def named(database: sqlite3.Connection, identity: str) -> Iterator[Kept]:
    """The records that bear an id, be it theirs, the request's or their position."""
    for kept in leaves_of(database):
        if identity.encode() in kept.leaf or identity == str(kept.position):
            record = orjson.loads(kept.leaf)
            if identity in (record["id"], record.get("request_id"), str(kept.position)):
                yield kept
