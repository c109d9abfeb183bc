"""How many calls a model will have in flight, from the access logs of its workers, looked at anew from time to time."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from forebay.observe.access_lines import calls
from forebay.scale.forecast import errors, foretell
from forebay.scale.traffic import arrived, busy

SLOT_S = 300.0
_DAY = round(86_400 / SLOT_S)
_MOST_DAYS = 15
"""What lies further back says little, and a clock that was once wrong by years must not ask for years of slots."""
_FAILURES = 15
"""So many looks in a row that failed, a quarter of an hour: what was foretold before them is over."""
_EXACT = 0.05
"""A forecast that errs by no more calls than that is right, however steady the traffic."""

_Slots = dict[str, dict[int, float]]


class Foretold(msgspec.Struct, frozen=True):
    """Calls in flight on average that are expected; 0 and `why` where nothing is foretold."""

    calls: float = 0.0
    why: str = ""


_NOT_ASKED = Foretold(why="nobody asked")
_NOT_YET = Foretold(why="the access log has not been read yet")


class Foresight:
    """Holds what was last foretold; a log that was rotated is read once.

    `failed` is told what could not be read; what was foretold before stays for a while, and then nothing is.
    """

    def __init__(self, logs: Path, failed: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._logs, self._failed, self._clock = logs, failed, clock
        self._ahead_s: dict[str, float] = {}
        self._expected: dict[str, Foretold] = {}
        self._read: dict[tuple[int, int], _Slots] = {}
        self._failures = 0

    def retarget(self, ahead_s: Mapping[str, float]) -> None:
        """Foretell these models, each so long ahead."""
        if ahead_s.keys() != self._ahead_s.keys():
            self._read = {}
        self._ahead_s = dict(ahead_s)
        self._expected = {model: self._expected.get(model, _NOT_YET) for model in ahead_s}

    def expected(self, model: str) -> Foretold:
        """What is foretold for the model."""
        return self._expected.get(model, _NOT_ASKED)

    async def run(self) -> None:
        """Look again and again, in a thread: a day of log takes a second to read."""
        while True:
            if self._ahead_s:
                await self.turn()
            await asyncio.sleep(SLOT_S / 5 if self._ahead_s else 1.0)

    async def turn(self) -> None:
        """Look once; what was foretold outlives a few looks that fail."""
        try:
            self._expected, self._failures = await asyncio.to_thread(self.look), 0
        except (OSError, ValueError) as error:
            self._failures += 1
            why = f"the access log cannot be read for a forecast: {error}"
            self._failed(why)
            if self._failures >= _FAILURES:
                self._expected = dict.fromkeys(self._ahead_s, Foretold(why=why))

    def look(self) -> dict[str, Foretold]:
        """What is foretold for each model now."""
        models = dict(self._ahead_s)
        slots: dict[str, dict[int, float]] = {model: defaultdict(float) for model in models}
        present = {}
        for file in sorted(self._logs.glob("worker-*.log*")):
            stat = file.stat()
            mark = (stat.st_ino, stat.st_size)
            present[mark] = self._read.get(mark) or self._slots_of(file, models)
            for model, found in present[mark].items():
                for slot, seconds in found.items():
                    slots[model][slot] += seconds
        self._read = present
        return {model: self._foretold(slots[model], ahead_s) for model, ahead_s in models.items()}

    def _slots_of(self, file: Path, models: Mapping[str, float]) -> _Slots:
        with file.open("rb") as lines:
            told = list(calls(lines))
        return {model: busy(arrived(told, model), SLOT_S) for model in models}

    def _foretold(self, slots: Mapping[int, float], ahead_s: float) -> Foretold:
        """From the last slot that is over; the one that is under way is not all there yet.

        Copies are started on a forecast only as long as it was the better guess over the last day: beside it stands
        that all stays as it is, which is what copies follow without one.
        """
        last = int(self._clock() / SLOT_S) - 1
        first = min((slot for slot in slots if slot > last - _MOST_DAYS * _DAY), default=last)
        if last - first < _DAY:
            return Foretold(why="no whole day is recorded yet")
        values = [slots.get(slot, 0.0) / SLOT_S for slot in range(first, last + 1)]
        ahead = 1 + math.ceil(ahead_s / SLOT_S)
        found = errors(values, _DAY, ahead, _DAY)
        if found.forecast > max(found.last, _EXACT):
            why = f"it erred by {found.forecast:.2f} calls over the last day, what comes now by {found.last:.2f}"
            return Foretold(why=why)
        return Foretold(calls=foretell(values, _DAY, ahead))
