"""Counters summed over all workers, those that are gone included.

A dead worker's counts are folded into one file before its page is deleted. The file names the pages it holds, so that
a crash between the two steps counts nothing twice.
"""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import psutil

from forebay.core.files import write_atomically
from forebay.observe.catalogue import BY_NAME
from forebay.observe.page import Series, read_page

_WRITERS = {"forebay.gateway.worker", "forebay.ops.watch.main"}

Totals = dict[tuple[str, tuple[str, ...]], list[float]]


class _FoldedSeries(msgspec.Struct):
    metric: str
    labels: tuple[str, ...]
    values: list[float]


class _Folded(msgspec.Struct):
    pages: list[str] = []
    series: list[_FoldedSeries] = []


class CounterFolder:
    """The folder where workers keep their pages. One process alone may fold: the admin process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "folded.json"
        self._lock = threading.Lock()  # a scrape between fold's two steps would see a counter go back

    def totals(self) -> list[Series]:
        """Every series, summed: counters and histograms over all workers that ever were, gauges over living ones."""
        with self._lock:
            sums = self._sums()
        return [
            Series(BY_NAME[name], labels, tuple(values))
            for (name, labels), values in sums.items()
            if name in BY_NAME and len(values) == BY_NAME[name].width
        ]

    def fold(self) -> int:
        """Fold the pages of dead workers; returns how many."""
        with self._lock:
            return self._fold()

    def _sums(self) -> Totals:
        folded = self._read()
        sums: Totals = {(each.metric, each.labels): each.values for each in folded.series}
        for path in sorted(self._folder.glob("*.page")):
            if path.name not in folded.pages:
                _add(sums, _series_of(path), gauges=_is_alive(path))
        return sums

    def _fold(self) -> int:
        folded = self._read()
        pages = sorted(self._folder.glob("*.page"))
        for path in pages:
            if path.name in folded.pages:
                path.unlink(missing_ok=True)  # counted before a crash kept it from being deleted
        dead = [path for path in pages if path.name not in folded.pages and not _is_alive(path)]
        if not dead:
            return 0
        sums: Totals = {(each.metric, each.labels): each.values for each in folded.series}
        for path in dead:
            _add(sums, _series_of(path), gauges=False)
        series = [_FoldedSeries(name, labels, values) for (name, labels), values in sums.items()]
        write_atomically(self._file, msgspec.json.encode(_Folded([path.name for path in dead], series)))
        for path in dead:
            path.unlink(missing_ok=True)
        return len(dead)

    def _read(self) -> _Folded:
        try:
            return msgspec.json.decode(self._file.read_bytes(), type=_Folded)
        except FileNotFoundError:
            return _Folded()
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Written atomically, so only a hand or a disk does this. Counters then restart, which Prometheus takes.
            return _Folded()


def _add(sums: Totals, series: list[Series], *, gauges: bool) -> None:
    for each in series:
        if each.metric.kind == "gauge" and not gauges:
            continue
        have = sums.setdefault((each.metric.name, each.labels), [0.0] * len(each.values))
        for index, value in enumerate(each.values):
            have[index] += value


def _series_of(path: Path) -> list[Series]:
    try:
        return read_page(path)
    except OSError:  # folded and deleted, or being made, while we look
        return []


def _is_alive(path: Path) -> bool:
    pid = path.name.split(".")[-2]
    try:
        return pid.isdigit() and not _WRITERS.isdisjoint(psutil.Process(int(pid)).cmdline())
    except psutil.Error:
        return False
