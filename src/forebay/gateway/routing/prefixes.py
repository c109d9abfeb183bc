"""What an engine has probably cached: the blocks of prompts that this worker sent there, bounded, oldest out first."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict

CAPACITY_BLOCKS = 16_384
"""4 MiB of text or a million tokens an engine, the order of what an engine's cache holds; 3 MiB here."""
_LEARNING = 0.2


class PrefixIndex:
    """One engine's blocks. `trust` corrects them by what the engine itself reports: 1 as long as it says nothing."""

    __slots__ = ("_capacity", "_held", "trust")

    def __init__(self, capacity: int = CAPACITY_BLOCKS) -> None:
        self._held: OrderedDict[int, None] = OrderedDict()
        self._capacity = capacity
        self.trust = 1.0

    def __len__(self) -> int:
        return len(self._held)

    def matched(self, blocks: tuple[int, ...]) -> int:
        """How many leading blocks are held."""
        # A block goes before those that lead to it (see `add`), so what is held of a chain is always a beginning of it.
        held = self._held
        if not blocks or blocks[0] not in held:
            return 0
        return bisect_left(blocks, 1, key=lambda block: 0 if block in held else 1)

    def add(self, blocks: tuple[int, ...]) -> None:
        """The engine computes these now. The beginning is touched last: it outlives what is built on it."""
        held = self._held
        for block in reversed(blocks):
            held[block] = None
            held.move_to_end(block)
        for _ in range(len(held) - self._capacity):
            held.popitem(last=False)

    def learn(self, expected_ratio: float, reported_ratio: float) -> None:
        """Compare what was expected to be cached of a prompt with what the engine reports, both as its shares."""
        if expected_ratio > 0:
            self.trust += _LEARNING * (min(reported_ratio / expected_ratio, 1.0) - self.trust)

    def clear(self) -> None:
        """The engine started anew."""
        self._held.clear()
        self.trust = 1.0
