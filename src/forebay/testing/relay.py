"""A wire that can be cut: between a gateway and an engine, dropping a connection within a stream, where a test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

_PIECE_BYTES = 65536


class Cut:
    """One cut, of whichever relay comes to it first: `events` of an answer pass, and `extra_bytes` of the next one."""

    def __init__(self, events: int, extra_bytes: int = 0) -> None:
        self.events = events
        self.extra_bytes = extra_bytes
        self.spent = False
        self._lock = threading.Lock()

    def end_in(self, answer: bytes) -> int | None:
        """How much of `answer` passes, where the cut falls within it and is made now."""
        end = answer.find(b"\r\n\r\n") + 4
        if end < 4:
            return None
        for _ in range(self.events):
            end = answer.find(b"\n\n", end) + 2
            if end < 2:
                return None
        end += self.extra_bytes
        with self._lock:
            if self.spent or len(answer) < end:
                return None
            self.spent = True
            return end


class Relay:
    """Passes bytes between its own free port and `target`; both sides are closed where `cut` says."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        self.cut: Cut | None = None
        self._open: list[socket.socket] = []
        self._answering: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Relay:
        self._accepting.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._accepting.join(10)
        self._listening.close()
        for each in self._open:
            _end(each)
        for answering in self._answering:
            answering.join(10)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._target), timeout=30)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._open += (near, far)
            passed = bytearray()
            asking = threading.Thread(target=_ask, args=(near, far, passed), daemon=True)
            asking.start()
            answering = threading.Thread(target=self._answer, args=(far, near, passed, asking), daemon=True)
            answering.start()
            self._answering.append(answering)

    def _answer(self, far: socket.socket, near: socket.socket, passed: bytearray, asking: threading.Thread) -> None:
        """Pass an engine's answer on; `passed` is what of it has passed."""
        try:
            while received := far.recv(_PIECE_BYTES):
                before = len(passed)
                passed += received
                end = self.cut.end_in(bytes(passed)) if self.cut is not None else None
                near.sendall(received if end is None else received[: max(0, end - before)])
                if end is not None:
                    break
        except OSError:
            pass
        for each in (near, far):
            _end(each)
        asking.join()
        for each in (near, far):
            each.close()


def _ask(near: socket.socket, far: socket.socket, passed: bytearray) -> None:
    """Pass requests on; each begins a new answer."""
    try:
        while received := near.recv(_PIECE_BYTES):
            passed.clear()
            far.sendall(received)
    except OSError:
        pass
    _end(far)  # the engine learns of a client that left as it would without us
    _end(near)


def _end(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
