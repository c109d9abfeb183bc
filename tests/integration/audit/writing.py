"""A real writer of an audit log under test, and what its log holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from forebay.audit.database import read_only
from forebay.audit.messages import Append, Durable, Refused, Shredded, read_answered
from forebay.audit.record import Entry
from forebay.audit.recorder import LOG
from forebay.audit.store import leaves_of
from forebay.core.unix_sockets import connected
from forebay.store.state_dir import StateDir
from forebay.testing.worker import wait_for
from forebay.wire.frames import Frames, framed


def start_writer(state: StateDir, *program: str) -> subprocess.Popen[bytes]:
    """Start the writer and wait until it takes records."""
    arguments = ["--folder", str(state.audit), "--socket", str(state.audit_socket), "--service", "test"]
    state.audit_socket.unlink(missing_ok=True)
    with state.log("audit").open("ab") as log:
        running = subprocess.Popen(
            [sys.executable, *(program or ("-m", "forebay.audit.writer")), *arguments], stdout=log, stderr=log
        )
    wait_for("the writer takes records", lambda: listens(state.audit_socket) or running.poll() is not None)
    assert running.poll() is None, state.log("audit").read_text()
    return running


@contextmanager
def writer(state: StateDir, *program: str) -> Iterator[subprocess.Popen[bytes]]:
    running = start_writer(state, *program)
    try:
        yield running
    finally:
        running.kill()
        running.wait(30)


def listens(path: Path) -> bool:
    try:
        connected(path).close()
    except OSError:
        return False
    return True


def records(state: StateDir) -> list[dict[str, Any]]:
    """Every record of the log, oldest first."""
    database = read_only(state.audit / LOG)
    try:
        return [orjson.loads(each.leaf) for each in leaves_of(database)]
    finally:
        database.close()


class Client:
    """A worker's side of the socket, as plainly as it can be."""

    def __init__(self, state: StateDir) -> None:
        self._socket = connected(state.audit_socket)
        self._socket.settimeout(60)
        self._frames = Frames()
        self._next = 1

    def send(self, count: int = 1, **facts: str) -> int:
        """Send `count` entries with ids `n` to come; returns the number of the last."""
        first = self._next
        entries = tuple(Entry("intent", f"{facts.get('run', '')}{first + each}", 1, {}) for each in range(count))
        self._socket.sendall(framed(Append(first, entries)))
        self._next += count
        return self._next - 1

    def answer(self) -> Durable | Refused | Shredded:
        """The next word of the writer. Raises OSError or EOFError where it has died."""
        while True:
            for frame in self._frames.feed(b""):
                return read_answered(frame)
            data = self._socket.recv(65536)
            if not data:
                raise EOFError
            for frame in self._frames.feed(data):
                return read_answered(frame)

    def close(self) -> None:
        self._socket.close()
