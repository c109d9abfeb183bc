"""When an engine is ejected: passive, from what its calls come to, and back again by one call at a time.

Client errors (4xx) and clients that leave are no evidence and are never counted. What is counted: answers of 500 and
above, connections refused, reset or closed, silence beyond the timeout, broken framing, streams cut.
"""

from __future__ import annotations

from collections import deque
from typing import Literal

from forebay.gateway.routing.policy import BreakerPolicy

State = Literal["closed", "open", "half_open"]
_PARTS = 10


class Breaker:
    """One engine's evidence and state. `answered` is counted by the slot itself: it is on every call's way.

    closed -> open -> half_open -> closed, or back to open for twice as long. Times are monotonic seconds.
    """

    __slots__ = ("_before", "_failed", "_opened_s", "_rolled_at", "answered", "open_until", "policy", "state")

    def __init__(self, policy: BreakerPolicy) -> None:
        self.policy = policy
        self.state: State = "closed"
        self.open_until = 0.0
        self.answered = 0
        self._failed = 0
        self._before: deque[tuple[int, int]] = deque(maxlen=_PARTS - 1)
        self._opened_s = 0.0
        self._rolled_at = 0.0

    def fail(self) -> bool:
        """Count one failure; returns whether there is now reason to open."""
        self._failed += 1
        if self.state != "closed" or not self.policy.enabled:
            return False
        failed = self._failed + sum(part[1] for part in self._before)
        calls = failed + self.answered + sum(part[0] for part in self._before)
        return failed >= self.policy.failures and failed >= self.policy.failure_ratio * calls

    def roll(self, now: float) -> None:
        """Begin a new part of the window when it is time; called by every sweep."""
        if now - self._rolled_at >= self.policy.window_s / _PARTS:
            self._rolled_at = now
            self._before.append((self.answered, self._failed))
            self.answered = self._failed = 0

    def open(self, now: float) -> None:
        """Let nothing through for a while: twice as long as the last time if that was in vain."""
        policy = self.policy
        again = self.state == "half_open"
        self._opened_s = min(self._opened_s * 2, policy.longest_s) if again else policy.open_s
        self.open_until = now + self._opened_s
        self.state = "open"

    def probe(self) -> None:
        """One call goes through; what becomes of it decides."""
        self.state = "half_open"

    def close(self) -> None:
        """It answers again: what was before is no evidence any more."""
        self.state = "closed"
        self.answered = self._failed = 0
        self._before.clear()
