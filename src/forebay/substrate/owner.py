"""Whose an engine on shared machines is: two services of one name must not take each other's."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from pathlib import Path

from forebay.config.schema import Config
from forebay.core.errors import StateError
from forebay.core.files import write_atomically
from forebay.messages import _
from forebay.store.state_dir import StateDir

_FORM = re.compile(r"[0-9a-f]{16}")


def owner_of(config: Config, state: StateDir) -> str:
    """Sixteen hex digits: of the state directory, or the same on all machines whose controllers share a lease.

    There are two copies: who lost the number would start every engine beside those that nobody knows any more.
    StateError where neither can be read.
    """
    if config.controller.lease.via == "valkey":
        return hashlib.sha256(f"{config.service}:{config.environment}".encode()).hexdigest()[:16]
    while True:
        found = {path: _read(path) for path in (state.owner, state.owner_copy)}
        known = next(filter(None, found.values()), None)
        if known is not None:
            for path in (path for path, number in found.items() if not number):
                write_atomically(path, f"{known}\n".encode())
            return known
        if set(found.values()) != {None}:
            fix = _("Restore it; or, once nothing of this service runs anywhere, remove it and run `forebay up`")
            raise StateError(_("the number that marks our engines is damaged"), where=str(state.owner), fix=fix)
        take_number(state, secrets.token_hex(8))


def has_number(config: Config, state: StateDir) -> bool:
    """Whether engines that are ours can be told from those of others: before the first start they cannot."""
    return config.controller.lease.via == "valkey" or state.owner.exists() or state.owner_copy.exists()


def take_number(state: StateDir, number: str) -> None:
    """Let this be the number, unless there is one: a command and the controller may both be the first."""
    draft = state.owner.with_name(f".owner.{os.getpid()}")
    draft.write_text(f"{number:0<16}\n", encoding="ascii")
    with contextlib.suppress(FileExistsError):
        os.link(draft, state.owner)
    draft.unlink()


def _read(path: Path) -> str | None:
    """The number; empty where it is damaged, None where there is no file."""
    try:
        text = path.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        return ""
    return text if _FORM.fullmatch(text) else ""
