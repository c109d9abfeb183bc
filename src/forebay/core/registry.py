"""Named parts that live one to a file: a policy, a rule, a renderer.

A registry fills when `load` imports the files of its package, never as a side effect of importing the registry.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")


class Registry(Generic[T]):
    """Parts by name; `what` names their kind in errors."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._parts: dict[str, T] = {}

    def add(self, name: str) -> Callable[[T], T]:
        """Register the decorated part; a name taken twice is a defect and raises ValueError."""

        def keep(part: T) -> T:
            if name in self._parts:
                raise ValueError(f"{self._what} {name!r} is defined twice")
            self._parts[name] = part
            return part

        return keep

    def load(self, package: str) -> Registry[T]:
        """Import every module of `package` so that their parts register; returns self. A second time finds them there.

        Asked whenever all parts are needed: one that somebody imported by itself says nothing of the others.
        """
        root = importlib.import_module(package)
        for module in pkgutil.iter_modules(root.__path__, package + "."):
            importlib.import_module(module.name)
        return self

    def __getitem__(self, name: str) -> T:
        return self._parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._parts))

    def items(self) -> list[tuple[str, T]]:
        return sorted(self._parts.items(), key=lambda item: item[0])
