"""A client's connection that keeps the end of its answer back until the record of it is on the disk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from forebay.gateway.respond import STREAMED
from forebay.wire.chunked import LAST_CHUNK
from forebay.wire.dialect import Dialect

if TYPE_CHECKING:
    from forebay.gateway.ingress import ClientConnection
    from forebay.wire.request import RequestHead


class HeldClient:
    """What a call needs of its client, and nothing more.

    Of a stream all goes on at once but its last frames: from the event that says that the answer is complete, or from
    what ends the framing where no event does. A whole answer waits.
    """

    __slots__ = ("_begun", "_held", "_is_complete", "client", "streamed")

    def __init__(self, client: ClientConnection, dialect: Dialect) -> None:
        self.client = client
        self.streamed = False
        self._is_complete = dialect.is_complete
        self._begun = False
        self._held: list[bytes] = []

    @property
    def peer(self) -> str:
        return self.client.peer

    @property
    def is_stalled(self) -> bool:
        return self.client.is_stalled

    def write(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self.streamed = STREAMED in data[: data.find(b"\r\n\r\n") + 2]
        if self._held or not self.streamed or self._ends(data):
            self._held.append(data)
        else:
            self.client.write(data)

    def release(self) -> None:
        """Send what was kept back."""
        if self._held:
            self.client.write(b"".join(self._held))
            self._held = []

    def drop(self) -> None:
        """What was kept back is not sent."""
        self._held = []

    def keeps_alive(self, head: RequestHead) -> bool:
        return self.client.keeps_alive(head)

    def close_after_answer(self) -> None:
        self.client.close_after_answer()

    def abort(self) -> None:
        self.client.abort()

    def call_ended(self) -> None:
        self.client.call_ended()

    def _ends(self, data: bytes) -> bool:
        if data.endswith(LAST_CHUNK):
            return True
        # One chunk, as most are: a line with its length, its events, a line end. Where an engine puts several into one
        # write, the end of the framing is what is kept back.
        return self._is_complete(data[data.find(b"\r\n") + 2 : -2])
