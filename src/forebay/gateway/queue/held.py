"""How many places each class holds, over all workers: counted on the page that workers read of one another."""

from __future__ import annotations

from forebay.gateway.siblings import Siblings
from forebay.observe.catalogue import CLASS_OUTSTANDING
from forebay.observe.page import CounterPage


class HeldPlaces:
    """This worker's count is its series on the page; the others' are read from theirs."""

    def __init__(self, page: CounterPage, siblings: Siblings) -> None:
        self._page = page
        self._siblings = siblings

    def enter(self, model: str, name: str) -> None:
        self._page.values[self._page.index(CLASS_OUTSTANDING, model, name)] += 1

    def leave(self, model: str, name: str) -> None:
        self._page.values[self._page.index(CLASS_OUTSTANDING, model, name)] -= 1

    def count(self, model: str, name: str) -> int:
        """Calls of class `name` that engines of `model` hold now."""
        own = self._page.values[self._page.index(CLASS_OUTSTANDING, model, name)]
        return int(own) + self._siblings.held(model, name)
