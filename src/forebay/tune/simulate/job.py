"""A call inside the simulator."""

from __future__ import annotations

from forebay.gateway.routing.want import NOTHING, Want


class Job:
    """`prompt` and `answer` in tokens. `group` names those who share the first `shared` tokens of their prompts.

    Group 0 is nobody. `keeps`: what is said is the beginning of the next call of the group, as in a conversation. Times
    are seconds of the simulated clock, -1 while they are not known. `decoded`: tokens of the answer that were written
    before a preemption and must be read again.
    """

    __slots__ = (
        "answer", "arrived_at", "blocks", "decoded", "end_step", "engine", "entered_at", "first_at", "group", "hit",
        "keeps", "left", "ordinal", "preemptions", "prompt", "session", "shared", "want",
    )  # fmt: skip

    def __init__(self, arrived_at: float, prompt: int, answer: int, group: int = 0, shared: int = 0) -> None:
        self.arrived_at = arrived_at
        self.prompt = prompt
        self.answer = answer
        self.group = group
        self.shared = shared
        self.keeps = False
        self.session = -1
        self.want: Want = NOTHING
        self.engine = -1
        self.entered_at = self.first_at = -1.0
        self.left = prompt
        self.decoded = 0
        self.ordinal = self.end_step = 0
        self.preemptions = 0
        self.hit = 0
        self.blocks = 0

    @property
    def context(self) -> int:
        """Tokens that lie in the cache when it ends: the last token of an answer is never read back."""
        return self.prompt + self.answer - 1
