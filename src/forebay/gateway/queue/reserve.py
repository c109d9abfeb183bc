"""Places that are kept for a class, so that a call of it finds one whatever the others do."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from forebay.gateway.queue.policy import QueueClass

# 0.29 * 100 is 28.999…: what was meant as a whole number shall be one.
_ROUNDING = 1e-9


class Reserve:
    """The law: a class may take a free place if it has not filled its reserve, or if a place is left when every
    other class's unfilled reserve is taken off. A reserve is a share of all places of a model, rounded down.

    The configuration keeps the shares' sum below one, so that there is always a place that any class may take.
    """

    def __init__(self, classes: Sequence[QueueClass]) -> None:
        self._ratios = {each.name: each.reserved_ratio for each in classes if each.reserved_ratio > 0}

    def __bool__(self) -> bool:
        return bool(self._ratios)

    def may_take(self, name: str, held: Callable[[str], int], free: int, total: int) -> bool:
        """Whether a call of class `name` may take one of `free` places; `held` tells what each class holds."""
        if free > sum([int(ratio * total + _ROUNDING) for ratio in self._ratios.values()]):
            return True  # whatever the others hold
        kept = 0
        for other, ratio in self._ratios.items():
            unfilled = int(ratio * total + _ROUNDING) - held(other)
            if unfilled > 0:
                if other == name:
                    return free > 0
                kept += unfilled
        return free > kept
