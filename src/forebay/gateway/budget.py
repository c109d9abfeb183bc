"""How many calls may be sent a second time: a share of all calls, and one engine's death at once."""

from __future__ import annotations


class RetryBudget:
    """A bucket of retries that every call fills by `ratio`.

    It holds what one dying engine throws back, so that its calls are all answered elsewhere; a fleet that keeps
    failing gets no more than the ratio.
    """

    def __init__(self, ratio: float, capacity: float) -> None:
        self.ratio = ratio
        self.capacity = capacity
        self._left = capacity

    def earn(self) -> None:
        self._left = min(self._left + self.ratio, self.capacity)

    def spend(self) -> bool:
        """Take one retry; False when there is none."""
        if self._left < 1:
            return False
        self._left -= 1
        return True
