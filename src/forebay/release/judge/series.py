"""Values of one side in the order of time, in bounded memory."""

from __future__ import annotations

from array import array
from random import Random

from forebay.release.judge.observation import Stratum

MOST = 8192
"""Values that are kept, at ten bytes each: far more than a step needs, so that few steps are thinned at all."""


class Series:
    """Keeps every value up to `most`; beyond that one of each row of two, four, eight … by chance.

    So every call has the same chance to count, whenever it came, and those that do keep their order: what compares
    ranks, and what neighbours in time have in common, holds for them as it does for all. The dice always fall the
    same way, so that a controller which reads the logs again comes to the same verdict.
    """

    def __init__(self, most: int = MOST) -> None:
        if most < 2 or most % 2:
            raise ValueError(f"{most} values cannot be halved")
        self.calls = 0
        self._most = most
        self._row = 1
        self._chosen = 0
        self._dice = Random(most)  # noqa: S311  a sample, no secret
        self._values = array("d")
        self._strata = array("H")
        self._numbers: dict[Stratum, int] = {}

    def add(self, stratum: Stratum, value: float) -> None:
        """Take the next value."""
        place = self.calls % self._row
        if place == 0:
            self._chosen = self._dice.randrange(self._row)
        if place == self._chosen:
            self._values.append(value)
            self._strata.append(self._numbers.setdefault(stratum, len(self._numbers)))
        self.calls += 1
        if self.calls == self._most * self._row:
            self._halve()

    def held(self) -> list[tuple[Stratum, float]]:
        """What is kept, in the order of time."""
        strata = list(self._numbers)
        return [(strata[number], value) for number, value in zip(self._strata, self._values, strict=True)]

    def _halve(self) -> None:
        kept = [first + self._dice.randrange(2) for first in range(0, self._most, 2)]
        self._values = array("d", (self._values[place] for place in kept))
        self._strata = array("H", (self._strata[place] for place in kept))
        self._row *= 2
