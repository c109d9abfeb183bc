"""One generation that several calls follow: whoever comes late gets what was sent, whoever leaves stops nobody.

The generation is a call of its own whose client is the flight: what would be written to a client is kept here as long
as the flight lasts, and each follower writes from there at the pace of its own client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from forebay.gateway.refusal import ClientGone, Refusal
from forebay.gateway.respond import STREAMED
from forebay.wire.chunked import LAST_CHUNK, chunk
from forebay.wire.sse import event

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from forebay.gateway.call import Call
    from forebay.gateway.ingress import ClientConnection
    from forebay.gateway.upstream import EngineConnection
    from forebay.wire.request import RequestHead


class Flight:
    """To its generation this is the client connection. `pieces` is the answer behind its head, as it was written."""

    def __init__(self, call: Call, held_bytes: int, chunk_s: float, landed: Callable[[Flight], None]) -> None:
        self.call = call
        self._landed = landed
        self.peer = ""
        self.pieces: list[bytes] = []
        self.bytes = 0
        self.begun = self.streamed = self.over = False
        self.failure: Exception | None = None
        self.followers: list[Follower] = []
        self._held_bytes = held_bytes
        self._chunk_s = chunk_s
        call.client = cast("ClientConnection", self)  # what a generation needs of a client, and no more

    @property
    def joinable(self) -> bool:
        """Whether a call that comes now can still be given all of it."""
        return not self.over and self.bytes <= self._held_bytes

    def launch(self, generation: Coroutine[Any, Any, None]) -> None:
        """Start generating; it goes as far as it can without waiting."""
        self.call.run(self._fly(generation))

    async def _fly(self, generation: Coroutine[Any, Any, None]) -> None:
        try:
            await generation
        except ClientGone:
            pass  # the last follower left
        except Exception as error:  # noqa: BLE001  raised again in every call that follows, which is where it is answered
            self.failure = error
        self.over = True
        self._landed(self)
        if self.followers:
            self._bill(self.followers[0])
        for follower in self.followers[:]:
            follower.wake()

    # -- as a client connection

    def write(self, data: bytes) -> None:
        """Keep what a client would get; the first write brings the head, which every follower gets its own of."""
        if not self.begun:
            self.begun = True
            head, _, data = data.partition(b"\r\n\r\n")
            self.streamed = STREAMED in head
        self.pieces.append(data)
        self.bytes += len(data)
        if self.streamed:
            for follower in self.followers[:]:
                follower.more()
            if self.bytes > self._held_bytes:
                self._cut_laggards()

    @property
    def is_stalled(self) -> bool:
        """Whether an engine that begins now must wait: everybody who follows is slow."""
        return bool(self.followers) and all(follower.paused for follower in self.followers)

    def keeps_alive(self, head: RequestHead) -> bool:
        return True

    def close_after_answer(self) -> None:
        """There is no connection to close."""

    def abort(self) -> None:
        """Nothing can be put behind what was sent: the followers' streams end as they are."""
        self.failure = self.failure or Refusal("internal_error", "The gateway failed on this request.", close=True)

    def call_ended(self) -> None:
        """There is no next request."""

    # -- for its followers

    def leave(self, follower: Follower) -> None:
        """A follower is done; after the last one the engine stops."""
        self.followers.remove(follower)
        if not self.followers and not self.over:
            self.call.interrupt(ClientGone("client_left"))
            self._bill(follower)
        else:
            self.pace(0.0)

    def pace(self, now: float) -> None:
        """Read from the engine as long as anybody takes it; when all are slow, it must wait like for one client."""
        upstream = self.call.upstream
        if upstream is not None and self.followers:
            if self.is_stalled:
                upstream.pause()
            elif upstream.paused:
                upstream.resume((now or self.followers[0].clock()) + self._chunk_s)

    def _bill(self, follower: Follower) -> None:
        """What the engine did stands in one ledger: of whoever has followed longest, or left last."""
        own, paying = self.call.ledger, follower.call.ledger
        # By name each: looked up by text they cost as much as the key of the whole question.
        paying.engine, paying.retries, paying.continuations = own.engine, own.retries, own.continuations
        paying.queue_s, paying.connect_s = own.queue_s, own.connect_s
        paying.input_tokens, paying.output_tokens = own.input_tokens, own.output_tokens
        paying.cached_tokens, paying.sent_events, paying.finish = own.cached_tokens, own.sent_events, own.finish
        paying.cascade, paying.answered_by = own.cascade, own.answered_by
        paying.first_input_tokens, paying.first_output_tokens = own.first_input_tokens, own.first_output_tokens

    def _cut_laggards(self) -> None:
        """Beyond the bound only those stay who keep up; what all of them have had is let go."""
        for follower in self.followers[:]:
            if follower.paused and self.bytes - follower.sent_bytes > self._held_bytes:
                follower.cut()
        reached = min((follower.next for follower in self.followers), default=0)
        for index in range(reached - 1, -1, -1):
            if not self.pieces[index]:
                break
            self.pieces[index] = b""


class Follower:
    """One call's place in a flight. To its client's connection it is the upstream: what waits when the client does."""

    __slots__ = ("call", "clock", "flight", "next", "paused", "sent_bytes", "writing")

    def __init__(self, call: Call, flight: Flight, clock: Callable[[], float]) -> None:
        self.call = call
        self.flight = flight
        self.clock = clock
        self.next = 0
        self.sent_bytes = 0
        self.paused = False
        self.writing = False
        flight.followers.append(self)
        call.upstream = cast("EngineConnection", self)

    async def landing(self) -> None:
        """Wait until there is a stream to begin or a whole answer; raises what ended the generation before that."""
        flight = self.flight
        while not flight.over and not (flight.begun and flight.streamed):
            await self.call.wait(self)
        if flight.failure is not None and not flight.begun:
            raise flight.failure

    async def stream(self, head: bytes) -> None:
        """Write the head and everything behind it, at the client's pace, until the end."""
        self.writing = True
        self.call.client.write(head)
        self.more()
        flight = self.flight
        while not flight.over or self.next < len(flight.pieces):
            await self.call.wait(self)
        if flight.failure is not None:
            self.call.client.abort()

    def stop(self, refusal: Refusal) -> None:
        """End this call's stream for a reason of its own; the pieces are whole events, so it can be told."""
        self.writing = False
        self.call.client.write(chunk(event(refusal.body())) + LAST_CHUNK)

    def leave(self) -> None:
        self.writing = False
        self.call.upstream = None
        self.flight.leave(self)

    # -- for the flight

    def wake(self) -> None:
        self.call.signal(self, None)

    def more(self) -> None:
        """Write what there is, unless the client is slow."""
        if not self.writing:
            self.wake()
            return
        pieces = self.flight.pieces
        while self.next < len(pieces) and not self.paused:
            piece = pieces[self.next]
            self.next += 1
            self.sent_bytes += len(piece)
            self.call.client.write(piece)
        if self.flight.over:
            self.wake()

    def cut(self) -> None:
        """This client holds the others up: it is let go, as one that reads nothing is."""
        self.call.client.abort()
        self.call.interrupt(ClientGone("client_stalled"))

    # -- as the upstream of a client connection

    def pause(self) -> None:
        self.paused = True
        self.flight.pace(0.0)

    def resume(self, deadline: float) -> None:
        self.paused = False
        self.flight.pace(self.clock())
        if self.writing:
            self.more()

    def abort(self) -> None:
        """Leaving is what ends a follower's part."""
