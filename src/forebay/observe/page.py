"""A page of counters: one writer, memory-mapped, readable by any process while it is written.

Layout: magic, format, bytes of names; then doubles; then one JSON line a series: [metric, [label values], index].
A series is named after its value exists, so that a reader never sees a name without a value. A double is written by
one aligned store, so that a reader never sees half of one.
"""

from __future__ import annotations

import mmap
import struct
from bisect import bisect_left
from pathlib import Path

import msgspec
import orjson

from forebay.observe.catalogue import BY_NAME, Metric

_HEADER = struct.Struct("<8sII")
_MAGIC = b"forebay1"
_VALUES_AT = 64
_CAPACITY = 16_384
# The last places have no name: what finds no room is counted there, unseen. A call must not fail for its counter.
_SPARE = _CAPACITY - 64
_NAMES_AT = _VALUES_AT + 8 * _CAPACITY
_FILE_BYTES = _NAMES_AT + 1024 * 1024


class Series(msgspec.Struct, frozen=True):
    """One series as read: a counter or gauge has one value, a histogram its bucket counts and then its sum."""

    metric: Metric
    labels: tuple[str, ...]
    values: tuple[float, ...]


class CounterPage:
    """The writer's side. `values` is indexed by what `index` returns: `page.values[i] += 1`.

    `full`: a series found no room and is not seen by readers.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w+b") as file:
            file.truncate(_FILE_BYTES)
            self._map = mmap.mmap(file.fileno(), _FILE_BYTES)
        self.values = values_in(self._map)
        self.full = False
        self._next = 0
        self._names_bytes = 0
        self._indexes: dict[tuple[str, tuple[str, ...]], int] = {}
        self._histograms: dict[tuple[str, tuple[str, ...]], Histogram] = {}
        self._publish_names()

    def index(self, metric: Metric, *labels: str) -> int:
        """Index of a series' first value; a new series is named on first use, while there is room."""
        known = self._indexes.get((metric.name, labels))
        return known if known is not None else self._add(metric, labels)

    def histogram(self, metric: Metric, *labels: str) -> Histogram:
        """The series as something that observes; one object for each, since it remembers its sum."""
        found = self._histograms.get((metric.name, labels))
        if found is None:
            found = Histogram(self.values, self.index(metric, *labels), metric.buckets)
            self._histograms[metric.name, labels] = found
        return found

    def close(self) -> None:
        self.values.release()
        self._map.close()

    def _add(self, metric: Metric, labels: tuple[str, ...]) -> int:
        width = metric.width
        line = orjson.dumps([metric.name, labels, self._next]) + b"\n"
        end = _NAMES_AT + self._names_bytes + len(line)
        if self._next + width > _SPARE or end > _FILE_BYTES:
            self.full = True
            return _SPARE
        self._map[end - len(line) : end] = line
        self._names_bytes += len(line)
        index = self._indexes[metric.name, labels] = self._next
        self._next += width
        self._publish_names()
        return index

    def _publish_names(self) -> None:
        self._map[: _HEADER.size] = _HEADER.pack(_MAGIC, 1, self._names_bytes)


class Histogram:
    """Counts per bucket and a sum, in place.

    To read the page costs as much as to write it, so the sum is remembered, and the count of the first bucket: most of
    what a gateway observes of itself is in there, or nothing at all.
    """

    __slots__ = ("_bounds", "_first", "_lowest", "_lows", "_sum", "_sum_at", "_values")

    def __init__(self, values: memoryview[float], first: int, bounds: tuple[float, ...]) -> None:
        self._values = values
        self._first = first
        self._bounds = bounds
        self._lowest = bounds[0]
        self._sum_at = first + len(bounds) + 1
        self._lows = self._sum = 0.0

    def observe(self, value: float) -> None:
        values = self._values
        if value <= self._lowest:
            self._lows = lows = self._lows + 1.0
            values[self._first] = lows
        else:
            values[self._first + bisect_left(self._bounds, value)] += 1
        if value:
            self._sum = total = self._sum + value
            values[self._sum_at] = total


def read_page(path: Path) -> list[Series]:
    """Read every series of a page; a file that is no page (yet) reads as empty. OSError as the system raises it."""
    content = path.read_bytes()
    values = values_in(content) if len(content) == _FILE_BYTES else None
    found = []
    for name, labels, index in _names_in(content):
        metric = BY_NAME.get(name)
        if metric is not None and values is not None:  # a metric of another release of forebay has no meaning here
            width = metric.width
            found.append(Series(metric, labels, tuple(values[index : index + width])))
    return found


def values_in(content: bytes | mmap.mmap) -> memoryview[float]:
    """The doubles of a page, live where `content` is a map."""
    return memoryview(content)[_VALUES_AT:_NAMES_AT].cast("d")


def indexes_in(content: bytes | mmap.mmap, metric: Metric) -> dict[tuple[str, ...], int]:
    """Where the series of one metric stand, by label values."""
    return {labels: index for name, labels, index in _names_in(content) if name == metric.name}


def _names_in(content: bytes | mmap.mmap) -> list[tuple[str, tuple[str, ...], int]]:
    if len(content) != _FILE_BYTES:
        return []
    magic, version, names_bytes = _HEADER.unpack_from(content)
    if magic != _MAGIC or version != 1:
        return []
    lines = bytes(content[_NAMES_AT : _NAMES_AT + names_bytes]).splitlines()
    return [(name, tuple(labels), index) for name, labels, index in map(orjson.loads, lines)]
