"""When a unit that ended is started again, and when not any more. Pure."""

from __future__ import annotations

import msgspec

FIRST_S = 0.5
LIMIT_S = 30.0
STEADY_S = 60.0
"""A life this long, once ready, clears the record."""
HOPELESS = 5
"""This many starts in a row that never became ready: something is wrong that another start does not change."""


class History(msgspec.Struct, frozen=True):
    """What led here: restarts in all, short lives in a row, and starts in a row that never became ready."""

    restarts: int = 0
    short_lives: int = 0
    never_ready: int = 0

    @property
    def hopeless(self) -> bool:
        return self.never_ready >= HOPELESS

    @property
    def wait_s(self) -> float:
        """How long to wait now. One that had served starts at once the first time: its clients wait."""
        if self.short_lives <= (0 if self.never_ready else 1):
            return 0.0
        return min(LIMIT_S, FIRST_S * 2.0 ** (min(self.short_lives, 16) - 1))


def after_end(history: History, *, lived_s: float, was_ready: bool) -> History:
    """The history after one more life has ended."""
    steady = was_ready and lived_s >= STEADY_S
    return History(
        restarts=history.restarts + 1,
        short_lives=0 if steady else history.short_lives + 1,
        never_ready=0 if was_ready else history.never_ready + 1,
    )
