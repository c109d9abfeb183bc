"""One call: its client, its deadline, its ledger, and the coroutine that carries it along the straight line.

The line is stepped by hand from the transports' callbacks. A task costs 4.8 µs to create and a turn of the loop for
each step; sending into a coroutine costs 0.2 µs and happens at once. The price is that the line may only wait through
`Call.wait`, for one named thing at a time.
"""

from __future__ import annotations

import types
from collections.abc import Coroutine, Generator
from typing import TYPE_CHECKING, Any

import msgspec

from forebay.gateway.routing.want import NOTHING
from forebay.wire.request import RequestHead

if TYPE_CHECKING:
    from forebay.gateway.auditing.trail import Trail
    from forebay.gateway.idempotency.claim import Claim
    from forebay.gateway.ingress import ClientConnection
    from forebay.gateway.limits.book import Held
    from forebay.gateway.upstream import EngineConnection


class Ledger(msgspec.Struct, gc=False):
    """What became of a call: settled once into metrics and the log. Times are monotonic seconds, 0 if not reached.

    `cached_tokens` of the prompt are what the engine reports to have had in its cache, -1 where it reports none.

    `cascade` is what became of a first model's step, `answered_by` that model where its answer was given; the `first`
    tokens are all that it read and wrote for the call, those of the answer are among them.

    `lane` is the call's in a rollout, empty where there is none; only then is `finish` looked for.

    `gc=False`: it holds text and numbers alone, and the collector need not look at it.
    """

    started_at: float
    received_at: float = 0.0
    request_id: str = ""
    first_event_at: float = 0.0
    wait_s: float = 0.0
    queue_s: float = 0.0
    connect_s: float = 0.0
    endpoint: str = "other"
    status: int = 0
    code: str = ""
    cancelled: str = ""
    client_ip: str = ""
    tenant: str = ""
    key_id: str = ""
    model: str = ""
    engine: str = ""
    stream: bool = False
    retries: int = 0
    continuations: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    sent_events: int = 0
    cached_tokens: int = -1
    cache: str = ""
    priority: str = ""
    cascade: str = ""
    answered_by: str = ""
    first_input_tokens: int = 0
    first_output_tokens: int = 0
    lane: str = ""
    finish: str = ""


class Call:
    """A request in flight. `upstream` is the engine connection it holds, if any.

    `headers` are lines that policies add to the answer's head, each with its CRLF.
    """

    __slots__ = (
        "_awaited",
        "_broken",
        "_line",
        "body",
        "claim",
        "client",
        "deadline",
        "head",
        "headers",
        "held",
        "ledger",
        "trail",
        "upstream",
        "want",
    )

    def __init__(self, client: ClientConnection, head: RequestHead, body: bytes, ledger: Ledger) -> None:
        self.client = client
        self.head = head
        self.body = body
        self.ledger = ledger
        self.deadline = 0.0
        self.headers = b""
        self.held: Held | None = None
        self.claim: Claim | None = None
        self.trail: Trail | None = None
        self.want = NOTHING
        self.upstream: EngineConnection | None = None
        self._line: Coroutine[Any, Any, None] | None = None
        self._awaited: object = None
        self._broken: Exception | None = None

    @property
    def is_over(self) -> bool:
        """Whether the line has come to its end."""
        return self._line is None

    def run(self, line: Coroutine[Any, Any, None]) -> None:
        """Start along the line, as far as it goes without waiting."""
        self._line = line
        self._step(None)

    @types.coroutine
    def wait(self, token: object) -> Generator[None, Any, Any]:
        """Wait until `token` signals; what broke the call meanwhile is raised here."""
        if self._broken is not None:
            raise self._broken
        self._awaited = token
        return (yield)

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

    def mend(self) -> None:
        """What broke the call has been answered: the line may wait once more, for what ends it."""
        self._broken = None

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
