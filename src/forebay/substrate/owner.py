"""Whose an engine on shared machines is: two services of one name must not take each other's."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets

from forebay.config.schema import Config
from forebay.store.state_dir import StateDir


def owner_of(config: Config, state: StateDir) -> str:
    """Sixteen hex digits: of the state directory, or the same on all machines whose controllers share a lease."""
    if config.controller.lease.via == "valkey":
        return hashlib.sha256(f"{config.service}:{config.environment}".encode()).hexdigest()[:16]
    while True:
        try:
            return state.owner.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            draft = state.owner.with_name(f".owner.{os.getpid()}")
            draft.write_text(f"{secrets.token_hex(8)}\n", encoding="ascii")
            with contextlib.suppress(FileExistsError):  # a command and the controller may both be the first
                os.link(draft, state.owner)
            draft.unlink()
