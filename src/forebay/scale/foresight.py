"""How many calls a model will have in flight, from the access logs of its workers, looked at anew from time to time."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from forebay.observe.access_lines import calls
from forebay.scale.forecast import foretell
from forebay.scale.traffic import arrived, busy

SLOT_S = 300.0
_DAY = round(86_400 / SLOT_S)

_Slots = dict[str, dict[int, float]]


class Foresight:
    """Holds what was last foretold; a log that was rotated is read once.

    `failed` is told what could not be read, and what was foretold before stays.
    """

    def __init__(self, logs: Path, failed: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._logs, self._failed, self._clock = logs, failed, clock
        self._ahead_s: dict[str, float] = {}
        self._expected: dict[str, float] = {}
        self._read: dict[tuple[int, int], _Slots] = {}

    def retarget(self, ahead_s: Mapping[str, float]) -> None:
        """Foretell these models, each so long ahead."""
        if ahead_s.keys() != self._ahead_s.keys():
            self._read = {}
        self._ahead_s = dict(ahead_s)
        self._expected = {model: self._expected.get(model, 0.0) for model in ahead_s}

    def expected(self, model: str) -> float:
        """Calls in flight on average; 0 where nobody asked, or a whole day is not recorded yet."""
        return self._expected.get(model, 0.0)

    async def run(self) -> None:
        """Look again and again, in a thread: a day of log takes a second to read."""
        while True:
            if self._ahead_s:
                try:
                    self._expected = await asyncio.to_thread(self.look)
                except (OSError, ValueError) as error:
                    self._failed(f"the access log cannot be read for a forecast: {error}")
            await asyncio.sleep(SLOT_S / 5 if self._ahead_s else 1.0)

    def look(self) -> dict[str, float]:
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

    def _foretold(self, slots: Mapping[int, float], ahead_s: float) -> float:
        """From the last slot that is over; the one that is under way is not all there yet."""
        last = int(self._clock() / SLOT_S) - 1
        first = min(slots, default=last)
        if last - first < _DAY:
            return 0.0
        values = [slots.get(slot, 0.0) / SLOT_S for slot in range(first, last + 1)]
        return foretell(values, _DAY, 1 + math.ceil(ahead_s / SLOT_S))
