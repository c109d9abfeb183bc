"""What the other workers of this gateway hold at each engine, read from their counter pages."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from forebay.observe.catalogue import ENGINE_OUTSTANDING
from forebay.observe.page import indexes_in, values_in


class _Sibling:
    """One other worker's page, mapped; `stamp` tells when its list of series has grown."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.values = values_in(self._map)
        self.indexes: dict[str, int] = {}

    def refresh(self) -> None:
        found = indexes_in(self._map, ENGINE_OUTSTANDING)
        self.indexes = {labels[0]: index for labels, index in found.items()}

    def close(self) -> None:
        self.values.release()
        self._map.close()


class Siblings:
    """Pages lie in one folder as `<worker>.<pid>.page`; a page whose process is gone counts for nothing."""

    def __init__(self, folder: Path, own_pid: int) -> None:
        self._folder = folder
        self._own_pid = own_pid
        self._known: dict[Path, _Sibling] = {}
        self._by_engine: dict[str, tuple[tuple[memoryview[float], int], ...]] = {}

    def outstanding(self, engine: str) -> int:
        """Calls that other workers have at `engine`."""
        views = self._by_engine.get(engine)
        return int(sum([values[index] for values, index in views])) if views else 0

    def refresh(self) -> None:
        """Look for workers that came or went; a few times a second is enough."""
        present = {path for path in self._folder.glob("*.page") if self._is_other_and_alive(path)}
        self._by_engine = {}  # views must be let go before their page is closed
        for path in self._known.keys() - present:
            self._known.pop(path).close()
        for path in present - self._known.keys():
            try:
                self._known[path] = _Sibling(path)
            except (OSError, ValueError):  # just being made, or just gone: the next look tells
                continue
        views: dict[str, list[tuple[memoryview[float], int]]] = {}
        for sibling in self._known.values():
            sibling.refresh()
            for engine, index in sibling.indexes.items():
                views.setdefault(engine, []).append((sibling.values, index))
        self._by_engine = {engine: tuple(found) for engine, found in views.items()}

    def close(self) -> None:
        """Let every page go."""
        self._by_engine = {}
        for sibling in self._known.values():
            sibling.close()
        self._known = {}

    def _is_other_and_alive(self, path: Path) -> bool:
        pid = path.name.split(".")[-2]
        if not pid.isdigit() or int(pid) == self._own_pid:
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
