"""A connection to the admin process: a request's framing is as strict as at the gateway, and nobody is waited for long.

The library underneath reads a length beside a coding, bare line ends and folded headers, and waits for ever for a head.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from forebay.wire.request import Malformed
from forebay.wire.request_reader import Phase, RequestLimits, RequestReader

BODY_BYTES = 16 * 1024
_LIMITS = RequestLimits(target_bytes=8 * 1024, head_bytes=32 * 1024, body_bytes=BODY_BYTES)
_ARRIVAL_S = 10.0
_LAST_WORD_S = 1.0
_MOST_CONNECTIONS = 256


class StrictConnection(H11Protocol):
    """Bytes reach the library only where the strict grammar has read them; a request has ten seconds to arrive."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._reader = RequestReader(_LIMITS)
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            self._is_over = True
            transport.abort()
            return
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        try:
            found = self._reader.feed(data)
            while found is not None:
                found = self._reader.feed(b"")
        except Malformed as error:
            self._refuse(error)
            return
        if self._reader.phase is Phase.IDLE:
            self._rest()
        elif self._timer is None:
            self._wait()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(_ARRIVAL_S, self.transport.abort)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, error: Malformed) -> None:
        """Say why, and close: where the next request begins is unknown."""
        self._rest()
        self._is_over = True
        if self.cycle is None or self.cycle.response_complete:
            body = json.dumps({"error": {"code": error.code, "message": error.message}}).encode()
            head = f"HTTP/1.1 {error.status} Refused\r\ncontent-type: application/json\r\ncache-control: no-store\r\n"
            self.transport.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
            self.transport.write_eof()
        # Later than at once: what is still on its way would turn the answer into a reset.
        self._timer = self.loop.call_later(_LAST_WORD_S, self.transport.close)
