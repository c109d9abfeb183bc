"""A histogram with buckets of at most 0.8 % of their value, so that it may be kept, sent and added up.

The scheme is that of HdrHistogram: 128 buckets for each power of two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

_BITS = 7
# Half the widest bucket: what a value read back may be off by.
ERROR_RATIO = 1 / 2 ** (_BITS + 1)


def bucket(value_us: int) -> int:
    """The bucket that holds a number of microseconds."""
    up = value_us.bit_length() - _BITS - 1
    return value_us if up <= 0 else (up << _BITS) + (value_us >> up)


def middle_us(index: int) -> float:
    """The middle of a bucket."""
    up = max(0, (index >> _BITS) - 1)
    low = index - (up << _BITS)
    return (low << up) + ((1 << up) - 1) / 2


class Histogram(msgspec.Struct, kw_only=True):
    """Counts by bucket; the buckets' values are microseconds."""

    counts: dict[int, int] = {}

    def add_ms(self, values: Iterable[float]) -> Histogram:
        """Count values given in milliseconds; returns itself."""
        counts = self.counts
        for value in values:
            index = bucket(max(0, round(value * 1000)))
            counts[index] = counts.get(index, 0) + 1
        return self

    def merge(self, other: Histogram) -> None:
        """Add another's counts, as of another process of the same run."""
        for index, count in other.counts.items():
            self.counts[index] = self.counts.get(index, 0) + count

    @property
    def total(self) -> int:
        """How many values were counted."""
        return sum(self.counts.values())

    def quantile_ms(self, share: float) -> float:
        """The value that `share` of all do not exceed; NaN where there are none."""
        total = self.total
        wanted, seen = max(1, math.ceil(share * total)), 0
        for index in sorted(self.counts):
            seen += self.counts[index]
            if seen >= wanted:
                return middle_us(index) / 1000
        return math.nan

    @property
    def mean_ms(self) -> float:
        """The mean of the buckets' middles; NaN where nothing was counted."""
        total = self.total
        return sum(middle_us(each) * n for each, n in self.counts.items()) / total / 1000 if total else math.nan

    @property
    def max_ms(self) -> float:
        """The middle of the highest bucket; NaN where nothing was counted."""
        return middle_us(max(self.counts)) / 1000 if self.counts else math.nan
