"""One call: its client, its deadline, its ledger, and the coroutine that carries it along the straight line.

The line is stepped by hand from the transports' callbacks. A task costs 4.8 µs to create and a turn of the loop for
each step; sending into a coroutine costs 0.2 µs and happens at once. The price is that the line may only wait through
`Call.wait`, for one named thing at a time.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

from forebay.wire.request import RequestHead

if TYPE_CHECKING:
    from forebay.gateway.ingress import ClientConnection
    from forebay.gateway.upstream import EngineConnection


class Ledger:
    """What became of a call: settled once into metrics and the log. Times are monotonic seconds, 0 if not reached."""

    __slots__ = (
        "cancelled",
        "client_ip",
        "code",
        "connect_s",
        "endpoint",
        "engine",
        "first_event_at",
        "input_tokens",
        "key_id",
        "model",
        "output_tokens",
        "phases",
        "queue_s",
        "received_at",
        "request_id",
        "retries",
        "started_at",
        "status",
        "stream",
        "tenant",
        "wait_s",
    )

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.received_at = 0.0
        self.first_event_at = 0.0
        self.wait_s = 0.0
        self.queue_s = 0.0
        self.connect_s = 0.0
        self.endpoint = "other"
        self.status = 0
        self.code = ""
        self.cancelled = ""
        self.client_ip = ""
        self.request_id = ""
        self.tenant = ""
        self.key_id = ""
        self.model = ""
        self.engine = ""
        self.stream = False
        self.retries = 0
        self.input_tokens = 0
        self.output_tokens = 0


class Call:
    """A request in flight. `upstream` is the engine connection it holds, if any."""

    __slots__ = ("_awaited", "_broken", "_line", "body", "client", "deadline", "head", "ledger", "upstream")

    def __init__(self, client: ClientConnection, head: RequestHead, body: bytes, ledger: Ledger) -> None:
        self.client = client
        self.head = head
        self.body = body
        self.ledger = ledger
        self.deadline = 0.0
        self.upstream: EngineConnection | None = None
        self._line: Coroutine[Any, Any, None] | None = None
        self._awaited: object = None
        self._broken: Exception | None = None

    def run(self, line: Coroutine[Any, Any, None]) -> None:
        """Start along the line, as far as it goes without waiting."""
        self._line = line
        self._step(None)

    async def wait(self, token: object) -> Any:
        """Wait until `token` signals; what broke the call meanwhile is raised here."""
        if self._broken is not None:
            raise self._broken
        self._awaited = token
        return await _suspend()

    def signal(self, token: object, value: object) -> None:
        """Go on, if the line waits for `token`; a signal nobody waits for any more is no error."""
        if self._awaited is token:
            self._awaited = None
            self._step(value)

    def fail(self, token: object, error: Exception) -> None:
        """Raise `error` where the line waits for `token`."""
        if self._awaited is token:
            self._awaited = None
            self._throw(error)

    def interrupt(self, error: Exception) -> None:
        """Raise `error` in the line wherever it waits, or at its next wait."""
        self._broken = error
        if self._awaited is not None:
            self._awaited = None
            self._throw(error)

    def _step(self, value: object) -> None:
        line = self._line
        if line is not None:
            try:
                line.send(value)
            except StopIteration:
                self._line = None

    def _throw(self, error: Exception) -> None:
        line = self._line
        if line is not None:
            try:
                line.throw(error)
            except StopIteration:
                self._line = None


@types.coroutine
def _suspend() -> Generator[None, object, object]:
    return (yield)
