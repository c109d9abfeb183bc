"""JSON log lines on standard output, which the holder keeps and rotates.

Fields are the source document's: timestamp, level, message, service, version, request_id, client_ip, model,
tokens{input,output}, latency_ms. Never a prompt, an answer, a key or a header value.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import orjson

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_LIMIT_BYTES = 4 * 1024 * 1024
# Written when this much is held, not only from time to time: a busy worker logs more in 250 ms than a pipe takes.
_BATCH_BYTES = 32 * 1024


class JsonLog:
    """Gathers lines and writes them at once; a reader that is too slow loses lines, never holds the caller up."""

    def __init__(self, service: str, level: str = "info", descriptor: int = 1) -> None:
        self._descriptor = descriptor
        # One buffer, not a list of lines: orjson's objects, kept, leave the allocator a hole each (1.8 against 0.3 µs).
        self._held = bytearray()
        self._flush_at_bytes = _BATCH_BYTES
        self._second = 0
        self._second_text = ""
        self.dropped = 0
        self._fixed = {"service": service, "version": version("forebay")}
        self.set_level(level)

    def set_level(self, level: str) -> None:
        self.threshold = LEVELS[level]

    def write(self, level: str, message: str, at: float, **fields: Any) -> None:
        """Add one line of `fields`; `at` is seconds since the epoch."""
        if LEVELS[level] >= self.threshold:
            self.add({"timestamp": self.stamp(at), "level": level, "message": message, **self._fixed, **fields})

    def add(self, line: dict[str, Any]) -> None:
        """Add one finished line; the access log builds its own."""
        encoded = orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        if len(self._held) + len(encoded) > _LIMIT_BYTES:
            self.dropped += 1
            return
        self._held += encoded
        if len(self._held) > self._flush_at_bytes:
            self.flush()

    @property
    def fixed(self) -> dict[str, str]:
        return self._fixed

    def stamp(self, at: float) -> str:
        """RFC 3339 with milliseconds; the second is formatted once."""
        second = int(at)
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        return f"{self._second_text}{int((at - second) * 1000):03d}Z"

    def flush(self) -> None:
        """Write what is held; what does not fit now is kept for the next time."""
        if not self._held:
            return
        try:
            written = os.write(self._descriptor, self._held)
        except BlockingIOError:
            written = 0
        except OSError:  # the reader is gone: nobody will ever see these lines
            self.dropped += self._held.count(b"\n")
            written = len(self._held)
        del self._held[:written]
        self._flush_at_bytes = len(self._held) + _BATCH_BYTES
