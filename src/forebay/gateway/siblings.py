"""What the other workers of this gateway hold at each engine, read from their counter pages."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from forebay.observe.catalogue import (
    CLASS_OUTSTANDING,
    ENGINE_OUTSTANDING,
    ENGINE_TOKENS,
    QUEUED,
    RETRY_BUDGET,
    Metric,
)
from forebay.observe.page import indexes_in, values_in

_Views = tuple[tuple["memoryview[float]", int], ...]
_LATELY_S = 0.001
_READ = (ENGINE_OUTSTANDING, ENGINE_TOKENS, CLASS_OUTSTANDING, RETRY_BUDGET, QUEUED)


class _Sibling:
    """One other worker's page, mapped; `indexes` says where the series of a metric stand, as of the last `refresh`."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.values = values_in(self._map)
        self.indexes: dict[str, dict[tuple[str, ...], int]] = {}

    def refresh(self) -> None:
        self.indexes = {metric.name: indexes_in(self._map, metric) for metric in _READ}

    def close(self) -> None:
        self.values.release()
        self._map.close()


class Siblings:
    """Pages lie in one folder as `<worker>.<pid>.page`; a page whose process is gone counts for nothing.

    `none`: there is no other worker.
    """

    def __init__(self, folder: Path, own_pid: int) -> None:
        self._folder = folder
        self._own_pid = own_pid
        self._known: dict[Path, _Sibling] = {}
        self._by_engine: dict[str, _Views] = {}
        self._by_class: dict[tuple[str, ...], _Views] = {}
        self._tokens: dict[str, _Views] = {}
        self._budget: dict[tuple[str, ...], _Views] = {}
        self._queued: _Views = ()
        self._sums: dict[str, int] = {}
        self._sums_until = 0.0
        self.none = True

    @property
    def pids(self) -> frozenset[int]:
        """The workers whose pages were read at the last look."""
        return frozenset(_pid(path) for path in self._known)

    def outstanding_lately(self, engine: str, now: float) -> int:
        """What `outstanding` was, a millisecond ago at most.

        To read what another core has just written costs a cache miss, on its side too: with four workers that looked
        at each other on every call it was 7 of 81 µs.
        """
        if now >= self._sums_until:
            self._sums = {name: self.outstanding(name) for name in self._by_engine}
            self._sums_until = now + _LATELY_S
        return self._sums.get(engine, 0)

    def outstanding(self, engine: str) -> int:
        """Calls that other workers have at `engine`."""
        views = self._by_engine.get(engine)
        return int(sum([values[index] for values, index in views])) if views else 0

    def held(self, model: str, name: str) -> int:
        """Calls of class `name` that other workers have at engines of `model`."""
        views = self._by_class.get((model, name))
        return int(sum([values[index] for values, index in views])) if views else 0

    def outstanding_tokens(self, engine: str) -> int:
        """Tokens that other workers have before `engine`."""
        views = self._tokens.get(engine)
        return int(sum([values[index] for values, index in views])) if views else 0

    def retry_budget(self, what: str) -> float:
        """`calls` that filled the other workers' part of the retry budget, or `retries` that spent it."""
        return sum([values[index] for values, index in self._budget.get((what,), ())])

    def waiting(self) -> int:
        """Calls that wait for a place in the other workers, of all models."""
        return int(sum([values[index] for values, index in self._queued]))

    def refresh(self) -> None:
        """Look for workers that came or went; a few times a second is enough."""
        present = {path for path in self._folder.glob("*.page") if self._is_other_and_alive(path)}
        self._let_go()  # views must be let go before their page is closed
        for path in self._known.keys() - present:
            self._known.pop(path).close()
        for path in present - self._known.keys():
            try:
                self._known[path] = _Sibling(path)
            except (OSError, ValueError):  # just being made, or just gone: the next look tells
                continue
        self.none = not self._known
        for sibling in self._known.values():
            sibling.refresh()
        self._by_engine = {labels[0]: views for labels, views in self._views(ENGINE_OUTSTANDING).items()}
        self._tokens = {labels[0]: views for labels, views in self._views(ENGINE_TOKENS).items()}
        self._by_class = self._views(CLASS_OUTSTANDING)
        self._budget = self._views(RETRY_BUDGET)
        self._queued = self._views(QUEUED).get((), ())

    def close(self) -> None:
        """Let every page go."""
        self._let_go()
        for sibling in self._known.values():
            sibling.close()
        self._known = {}
        self.none = True

    def _views(self, metric: Metric) -> dict[tuple[str, ...], _Views]:
        """Where the series of one metric stand on all pages, by label values."""
        found: dict[tuple[str, ...], list[tuple[memoryview[float], int]]] = {}
        for sibling in self._known.values():
            for labels, index in sibling.indexes[metric.name].items():
                found.setdefault(labels, []).append((sibling.values, index))
        return {labels: tuple(views) for labels, views in found.items()}

    def _let_go(self) -> None:
        self._by_engine, self._by_class, self._tokens, self._budget, self._queued = {}, {}, {}, {}, ()
        self._sums_until = 0.0

    def _is_other_and_alive(self, path: Path) -> bool:
        pid = _pid(path)
        if not pid or pid == self._own_pid:
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True


def _pid(page: Path) -> int:
    """0 for what is none."""
    pid = page.name.split(".")[-2]
    return int(pid) if pid.isdigit() else 0
