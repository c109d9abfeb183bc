"""How many calls may be sent a second time: a share of all calls, and one engine's death at once, for all workers."""

from __future__ import annotations

from forebay.gateway.siblings import Siblings
from forebay.observe.catalogue import RETRY_BUDGET
from forebay.observe.page import CounterPage


class RetryBudget:
    """A bucket of retries that every call fills by `ratio`.

    It holds what one dying engine throws back, so that its calls are all answered elsewhere; a fleet that keeps
    failing gets no more than the ratio. Workers write what they put in and take out to their counter pages, and each
    reckons the one bucket from all pages: no message, and no more than one retry too many for each further worker
    that spends at the same instant.
    """

    def __init__(
        self, ratio: float, capacity: float, page: CounterPage | None = None, siblings: Siblings | None = None
    ) -> None:
        self.ratio = ratio
        self.capacity = capacity
        self._left = capacity
        self._siblings = siblings
        self._values: memoryview[float] | None = None if page is None else page.values
        self._calls = 0 if page is None else page.index(RETRY_BUDGET, "calls")
        self._retries = 0 if page is None else page.index(RETRY_BUDGET, "retries")
        self._seen_calls = self._seen_retries = self._earned = 0.0

    def earn(self) -> None:
        left = self._left + self.ratio
        self._left = left if left < self.capacity else self.capacity  # noqa: FURB136  a call of min: +1,200 instructions
        if self._values is not None:
            self._earned = earned = self._earned + 1.0
            self._values[self._calls] = earned

    def spend(self) -> bool:
        """Take one retry; False when there is none."""
        self.catch_up()
        if self._left < 1:
            return False
        self._left -= 1
        if self._values is not None:
            self._values[self._retries] += 1
        return True

    def catch_up(self) -> None:
        """Reckon in what the other workers did since the last look.

        First what they earned, then what they spent: in whatever order it was, the bucket holds at least this.
        """
        if self._siblings is None:
            return
        calls, retries = self._siblings.retry_budget("calls"), self._siblings.retry_budget("retries")
        # A worker that ended took its page with it: the sums fall, and what follows is counted from there.
        earned, spent = max(0.0, calls - self._seen_calls), max(0.0, retries - self._seen_retries)
        self._seen_calls, self._seen_retries = calls, retries
        self._left = max(0.0, min(self._left + self.ratio * earned, self.capacity) - spent)
