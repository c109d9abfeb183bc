"""One request in flight, and what is noted of it."""

from __future__ import annotations

from array import array


class Exchange:
    """Times are of the monotonic clock, in seconds. `reason` stays empty for a good answer.

    `asked`: when a connection was looked for; `sent`: when the request was first written to one.
    `times` holds when each event with text came, `last` when the last did of those that follow the first, text or not:
    special tokens show none. `text_bytes`: how much text came in all; `text` is kept on demand.
    """

    __slots__ = (
        "asked",
        "ended",
        "events",
        "finished",
        "input_tokens",
        "intended",
        "last",
        "number",
        "planned_input",
        "planned_output",
        "reason",
        "rejected",
        "request",
        "retried",
        "sent",
        "text",
        "text_bytes",
        "times",
        "told_tokens",
    )

    def __init__(self, number: int, intended: float, request: bytes, lengths: tuple[int, int]) -> None:
        self.number = number
        self.intended = intended
        self.request = request
        self.planned_input, self.planned_output = lengths
        self.asked = 0.0
        self.sent = 0.0
        self.ended = 0.0
        self.last = 0.0
        self.times = array("d")
        self.text: list[str] | None = None
        self.text_bytes = 0
        self.events = 0
        self.input_tokens = 0
        self.told_tokens = -1
        self.finished = False
        self.rejected = False
        self.retried = False
        self.reason = ""

    @property
    def tokens(self) -> int:
        """How many tokens the answer had, for rates: the smaller number where the engine's cannot be true."""
        if self.told_tokens < 0 or (self.disputed and self.times):
            return len(self.times)
        return min(self.told_tokens, self.planned_output)

    @property
    def disputed(self) -> bool:
        """Whether the engine's own count contradicts what it sent.

        Every token is at least a byte of text or an event of its own, none goes beyond the limit that was asked for,
        and an event with text is at least a token.
        """
        told = self.told_tokens
        if told < 0:
            return False
        unseen = bool(self.times) and told > self.text_bytes and told > self.events
        return unseen or told > self.planned_output or told < len(self.times)

    def fail(self, reason: str, *, rejected: bool = False) -> None:
        """Keep the first reason: what follows is its consequence."""
        if not self.reason:
            self.reason, self.rejected = reason, rejected
