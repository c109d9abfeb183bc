"""The audit log for whoever writes to it seldom: over the writer's socket, or by itself where no writer runs."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import msgspec

from forebay.audit.messages import Append, Durable, Hold, Refused, Said, Shred, Shredded, read_answered
from forebay.audit.record import DECISION, Entry, Fact
from forebay.audit.recorder import LOG, Recorder, Unrecorded, open_recorder
from forebay.core.errors import StateError
from forebay.core.unix_sockets import connected
from forebay.store.state_dir import StateDir
from forebay.wire.frames import BadFrame, Frames, framed

_ANSWER_S = 30.0
_PATIENCE_S = 5.0
_AGAIN_S = 0.05


class Book(Protocol):
    """What can be asked of a log."""

    def record(self, entry: Entry) -> None: ...
    def shred(self, tenant: str, subject: str, by: str) -> Shredded: ...
    def hold(self, tenant: str, subject: str, by: str, *, on: bool) -> None: ...
    def consent(self, tenant: str, subject: str, purpose: str, by: str, *, granted: bool) -> None: ...


def exists(folder: Path) -> bool:
    """Whether there is a log; where there is, what operators decide is recorded too."""
    return (folder / LOG).exists()


@contextmanager
def book(folder: Path, socket: Path, service: str = "forebay") -> Iterator[Book]:
    """The log of a service that runs or does not. Raises StateError where it cannot be had."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            found = _found(folder, socket, service)
            break
        except StateError as error:
            # A writer that is just starting holds the log before it listens.
            if error.code != "audit_held" or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)
    with contextlib.closing(found):
        yield found


def decision(action: str, by: str, facts: dict[str, Fact], identity: str = "") -> Entry:
    """What an operator decided."""
    written: dict[str, Fact] = {"action": action, "by": by, **facts}
    return Entry(DECISION, identity or f"decision-{secrets.token_hex(8)}", time.time_ns() // 1000, written)


@contextmanager
def decided(
    state: StateDir, action: str, by: str, facts: dict[str, Fact], unrecorded: Callable[[str], None] | None = None
) -> Iterator[None]:
    """What an operator decides is recorded before it is done, and then what came of it; nothing without a log.

    Raises StateError where it cannot be recorded, and nothing is done. What is urgent names `unrecorded`: that is told
    so, and it is done all the same.
    """
    if not exists(state.audit):
        yield
        return
    entry = decision(action, by, {**facts, "result": "asked"})
    try:
        _record(state, entry)
    except StateError as error:
        if unrecorded is None:
            raise
        unrecorded(error.what)
    result = "failed"
    try:
        yield
        result = "done"
    finally:
        with contextlib.suppress(StateError):
            _record(state, decision(action, by, {**facts, "result": result}, entry.id))


def _record(state: StateDir, entry: Entry) -> None:
    with book(state.audit, state.audit_socket) as log:
        log.record(entry)


def _found(folder: Path, socket: Path, service: str) -> _OverSocket | _ByItself:
    try:
        return _OverSocket(socket)
    except OSError:
        return _ByItself(open_recorder(folder, service))


class _OverSocket:
    def __init__(self, path: Path) -> None:
        self._socket = connected(path)
        self._socket.settimeout(_ANSWER_S)
        self._number = 0

    def record(self, entry: Entry) -> None:
        self._number += 1
        self._answer(Append(self._number, (entry,)))

    def shred(self, tenant: str, subject: str, by: str) -> Shredded:
        answer = self._answer(Shred(tenant, subject, by, time.time_ns() // 1000))
        return answer if isinstance(answer, Shredded) else Shredded((), 0)

    def hold(self, tenant: str, subject: str, by: str, *, on: bool) -> None:
        self._answer(Hold(tenant, subject, by, time.time_ns() // 1000, on))

    def consent(self, tenant: str, subject: str, purpose: str, by: str, *, granted: bool) -> None:
        self._answer(Said(tenant, subject, purpose, by, time.time_ns() // 1000, granted))

    def close(self) -> None:
        self._socket.close()

    def _answer(self, message: msgspec.Struct) -> Durable | Shredded:
        frames = Frames()
        try:
            self._socket.sendall(framed(message))
            while data := self._socket.recv(65536):
                for frame in frames.feed(data):
                    answer: Durable | Refused | Shredded = read_answered(frame)
                    if isinstance(answer, Refused):
                        raise _unrecorded(answer.reason)
                    return answer
        except (OSError, BadFrame, msgspec.DecodeError) as error:
            raise _unrecorded("lost") from error
        raise _unrecorded("lost")


class _ByItself:
    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def record(self, entry: Entry) -> None:
        try:
            self._recorder.record([entry])
        except Unrecorded as error:
            raise _unrecorded(error.reason) from error

    def shred(self, tenant: str, subject: str, by: str) -> Shredded:
        try:
            receipt = self._recorder.shred(tenant, subject, by, time.time_ns() // 1000)
        except Unrecorded as error:
            raise _unrecorded(error.reason) from error
        return Shredded(receipt.keys, receipt.position, receipt.held)

    def hold(self, tenant: str, subject: str, by: str, *, on: bool) -> None:
        try:
            self._recorder.hold(tenant, subject, by, time.time_ns() // 1000, on=on)
        except Unrecorded as error:
            raise _unrecorded(error.reason) from error

    def consent(self, tenant: str, subject: str, purpose: str, by: str, *, granted: bool) -> None:
        try:
            self._recorder.consent(tenant, subject, purpose, by, time.time_ns() // 1000, granted=granted)
        except Unrecorded as error:
            raise _unrecorded(error.reason) from error

    def close(self) -> None:
        self._recorder.close()


def _unrecorded(reason: str) -> StateError:
    if reason == "read":
        return StateError(
            "what is erased can be in a log of writes still: somebody reads the audit log's keys or consents",
            fix="Erase again once backups and other readers have ended: what is destroyed stays destroyed",
            code="erasure_unfinished",
        )
    return StateError(
        f"the audit log takes no records ({reason})",
        fix="See the log of the unit `audit`; a log that was stopped is taken up by `forebay audit resume`",
        code="audit_unavailable",
    )
