"""Unix sockets in folders whose names are longer than a socket's address may be (107 bytes)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short(path: Path) -> Iterator[str]:
    """A name for `path` that fits, good while the context lasts: its folder, opened, has a short one in /proc."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


def connected(path: Path) -> socket.socket:
    """A connection to what listens there. Raises OSError at once where nothing does or its queue is full."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        with short(path) as name:
            made.connect(name)
    except OSError:
        made.close()
        raise
    return made


def listening(path: Path) -> socket.socket:
    """A socket that listens there, for this user alone; one that a dead process left is replaced."""
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.setblocking(False)
    with short(path) as name:
        made.bind(name)
    path.chmod(0o600)
    made.listen(64)
    return made
