"""How fast a model's engines take waiting calls: tokens granted a second, measured only while every place is taken."""

from __future__ import annotations

import math
from collections import deque

_MEMORY_S = 10.0
_LEAST_GRANTS = 4


class ServiceRate:
    """A moving average of whole turns: in one, every place changes hands once. `places` counts those of the model.

    Whole turns, because calls that came together end together: a measure over less sees a burst, or the silence
    between two. It remembers ten seconds, or two turns where those take longer.
    """

    def __init__(self) -> None:
        self.places = 1
        self._since = 0.0
        self._full_s = 0.0
        self._granted_tokens = 0
        self._marks: deque[tuple[float, int]] = deque([(0.0, 0)])
        self._turns = self._turns_s = self._turns_tokens = 0.0

    def skip_to(self, now: float) -> None:
        """Until `now` a place was free, or no engine ran: that time tells nothing."""
        self._since = max(self._since, now)

    def granted(self, tokens: int, now: float) -> None:
        """A waiting call got its place."""
        seconds = now - self._since
        self._since = now
        self._full_s += seconds
        self._granted_tokens += tokens
        marks = self._marks
        marks.append((self._full_s, self._granted_tokens))
        turn = max(self.places, _LEAST_GRANTS)
        while len(marks) > turn + 1:
            marks.popleft()
        if len(marks) > turn:
            kept = math.exp(-min(seconds / _MEMORY_S, 1 / (2 * turn)))
            self._turns = self._turns * kept + 1
            self._turns_s = self._turns_s * kept + marks[-1][0] - marks[0][0]
            self._turns_tokens = self._turns_tokens * kept + marks[-1][1] - marks[0][1]

    def tokens_s(self, now: float) -> float | None:
        """The rate at this moment; None until a turn was seen. It sinks when nothing is granted for longer than one."""
        if self._turns_s <= 0:
            return None
        turn_s = self._turns_s / self._turns
        return self._turns_tokens / self._turns / (turn_s + max(0.0, now - self._since - turn_s))
