"""JSON log lines on standard output, which the holder keeps and rotates.

Fields are the source document's: timestamp, level, message, service, version, request_id, client_ip, model,
tokens{input,output}, latency_ms. Never a prompt, an answer, a key or a header value.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import msgspec

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_LIMIT_BYTES = 4 * 1024 * 1024
# Written when this much is held, not only from time to time: a busy worker logs more in 250 ms than a pipe takes.
_BATCH_BYTES = 32 * 1024
_MILLISECONDS = tuple(f"{number:03d}Z" for number in range(1000))
_encode = msgspec.json.Encoder().encode


class Tokens(msgspec.Struct, frozen=True, gc=False):
    """Tokens of one call, as its engine counted them."""

    input: int
    output: int


class AccessLine(msgspec.Struct, frozen=True, gc=False):
    """One call in the log; what does not apply to it is left out. Latencies are in milliseconds.

    `gc=False`: it holds text and numbers alone, and the collector need not look at it.
    """

    timestamp: str
    level: str
    message: str
    service: str
    version: str
    request_id: str
    client_ip: str
    model: str
    tokens: Tokens
    latency_ms: float
    method: str
    endpoint: str
    status: int
    tenant: str | msgspec.UnsetType = msgspec.UNSET
    key_id: str | msgspec.UnsetType = msgspec.UNSET
    engine: str | msgspec.UnsetType = msgspec.UNSET
    stream: bool | msgspec.UnsetType = msgspec.UNSET
    priority: str | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="class")
    queue_ms: float | msgspec.UnsetType = msgspec.UNSET
    retries: int | msgspec.UnsetType = msgspec.UNSET
    continuations: int | msgspec.UnsetType = msgspec.UNSET
    ttft_ms: float | msgspec.UnsetType = msgspec.UNSET
    code: str | msgspec.UnsetType = msgspec.UNSET
    cancelled: str | msgspec.UnsetType = msgspec.UNSET
    cache: str | msgspec.UnsetType = msgspec.UNSET
    cascade: str | msgspec.UnsetType = msgspec.UNSET
    first_tokens: Tokens | msgspec.UnsetType = msgspec.UNSET
    lane: str | msgspec.UnsetType = msgspec.UNSET
    finish_reason: str | msgspec.UnsetType = msgspec.UNSET
    cached_tokens: int | msgspec.UnsetType = msgspec.UNSET


class JsonLog:
    """Gathers lines and writes them at once; a reader that is too slow loses lines, never holds the caller up."""

    def __init__(self, service: str, level: str = "info", descriptor: int = 1) -> None:
        self._descriptor = descriptor
        # One buffer, not a list of lines: kept bytes objects leave the allocator a hole each (1.8 against 0.3 µs).
        self._held = bytearray()
        self._flush_at_bytes = _BATCH_BYTES
        self._second = self._millisecond = 0
        self._second_text = self._stamp = ""
        self.dropped = 0
        self.service, self.version = service, version("forebay")
        self.set_level(level)

    def set_level(self, level: str) -> None:
        self.threshold = LEVELS[level]

    def write(self, level: str, message: str, at: float, **fields: Any) -> None:
        """Add one line of `fields`; `at` is seconds since the epoch."""
        if LEVELS[level] >= self.threshold:
            fixed = {"service": self.service, "version": self.version}
            self.add({"timestamp": self.stamp(at), "level": level, "message": message, **fixed, **fields})

    def add(self, line: dict[str, Any] | AccessLine) -> None:
        """Add one finished line; the access log builds its own."""
        held = self._held
        if len(held) > _LIMIT_BYTES:
            self.dropped += 1
            return
        held += _encode(line)  # `encode_into` makes the buffer larger and smaller again each time
        held += b"\n"
        if len(held) > self._flush_at_bytes:
            self.flush()

    def stamp(self, at: float) -> str:
        """RFC 3339 with milliseconds; busy workers write many lines within one."""
        millisecond = int(at * 1000)
        if millisecond != self._millisecond:
            self._millisecond = millisecond
            second = millisecond // 1000
            if second != self._second:
                self._second = second
                self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
            self._stamp = self._second_text + _MILLISECONDS[millisecond % 1000]
        return self._stamp

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
