"""Which rendering an edge runs: its file carries a digest of its own text, and the edge tells it on a unix socket.

A signal says nothing of whether it was heard: HAProxy is deaf in the first milliseconds of its life, and either program
keeps its old configuration where it cannot take the new one.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

SOCKET = "generation.sock"
PLACE = "forebay-generation-0000000000000000"
"""Stands for the digest until the text is whole."""
_TOLD = re.compile(rb"forebay-generation-([0-9a-f]{16})")
# An address holds 107 bytes, and HAProxy adds a suffix of its own while it binds.
_ADDRESS_BYTES = 90


def sealed(text: str) -> str:
    """`text` with its digest in it."""
    return text.replace(PLACE, f"forebay-generation-{hashlib.sha256(text.encode()).hexdigest()[:16]}")


def generation_in(content: bytes) -> str:
    """The digest that a file or an answer tells; empty where it tells none."""
    found = _TOLD.search(content)
    return found[1].decode() if found else ""


def address(folder: Path) -> str:
    """Where an edge that runs in `folder` tells it. Units work in the folder above, for paths that are too long."""
    whole = str(folder.absolute() / SOCKET)
    return whole if len(whole.encode()) <= _ADDRESS_BYTES else f"{folder.name}/{SOCKET}"
