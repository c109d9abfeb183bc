"""A wire that can be cut: between a gateway and an engine, dropping a connection within a stream, where a test says."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

_PIECE_BYTES = 65536


class Relay:
    """Passes bytes between its own free port and `target`.

    `cut_after`: how many events of the next answer pass before both sides are closed, once; None never cuts.
    `extra_bytes`: how much of the event behind them passes too.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._lock = threading.Lock()
        self.port: int = self._listening.getsockname()[1]
        self.cut_after: int | None = None
        self.extra_bytes = 0
        self.cuts = 0

    def __enter__(self) -> Relay:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

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
            passed = bytearray()
            threading.Thread(target=_ask, args=(near, far, passed), daemon=True).start()
            threading.Thread(target=self._answer, args=(far, near, passed), daemon=True).start()

    def _answer(self, far: socket.socket, near: socket.socket, passed: bytearray) -> None:
        """Pass an engine's answer on; `passed` is what of it has passed."""
        try:
            while received := far.recv(_PIECE_BYTES):
                before = len(passed)
                passed += received
                end = self._cut_at(bytes(passed))
                near.sendall(received if end is None else received[: max(0, end - before)])
                if end is not None:
                    self.cuts += 1
                    break
        except OSError:
            pass
        _end(near)
        _end(far)

    def _cut_at(self, passed: bytes) -> int | None:
        """Where the answer ends for the gateway, if that is within `passed`."""
        with self._lock:
            if self.cut_after is None:
                return None
            body = passed.index(b"\r\n\r\n") + 4 if b"\r\n\r\n" in passed else len(passed)
            end = body
            for _ in range(self.cut_after):
                end = passed.find(b"\n\n", end) + 2
                if end < 2:
                    return None
            end += self.extra_bytes
            if len(passed) < end:
                return None
            self.cut_after = None
            return end


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
