"""Forgetting who uses nothing any more: tokens name new callers for ever. Pure: the clock is passed in."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from forebay.gateway.limits.lease import Limit

if TYPE_CHECKING:
    from forebay.gateway.limits.book import Plan

# A look goes through a share of all, and so round everything in two minutes; a few are looked at anyway.
_LOOKS_A_ROUND, _AT_LEAST = 480, 32
_Asked = tuple[str, str]


class Forgetting:
    """Goes round a book's plans and limits, a few at each look, and takes out those that nobody would miss.

    A plan goes where none of its key's limits is in use: it is made again at no loss. A limit goes where no plan meets
    it and an empty one in its place would answer the same. Models' own limits are as few as models, and stay.
    """

    def __init__(self, plans: dict[_Asked, Plan | None], limits: dict[tuple[str, str, str], Limit]) -> None:
        self._plans = plans
        self._limits = limits
        self._plan_line: deque[_Asked] = deque()
        self._limit_line: deque[Limit] = deque()

    def planned(self, asked: _Asked, plan: Plan | None) -> None:
        """`plan` is now kept for `asked`."""
        self._plan_line.append(asked)
        for limit in _of(plan, "key", "tenant"):
            limit.plans += 1

    def kept(self, limit: Limit) -> None:
        """`limit` is now in the book."""
        if limit.name[0] != "model":
            self._limit_line.append(limit)

    def begin_anew(self) -> None:
        """All plans are gone."""
        self._plan_line.clear()
        for limit in self._limits.values():
            limit.plans = 0

    def look(self, now: float, *, leased: bool) -> None:
        """`now` in monotonic seconds; `leased`: caps come from an authority."""
        for _ in range(_share(self._plan_line)):
            asked = self._plan_line.popleft()
            plan = self._plans[asked]
            if all(limit.is_idle(now, leased=leased) for limit in _of(plan, "key")):
                del self._plans[asked]
                for limit in _of(plan, "key", "tenant"):
                    limit.plans -= 1
            else:
                self._plan_line.append(asked)
        for _ in range(_share(self._limit_line)):
            limit = self._limit_line.popleft()
            if limit.plans or not limit.is_idle(now, leased=leased):
                self._limit_line.append(limit)
            else:
                limit.kept = False
                del self._limits[limit.name]


def _share(line: deque[_Asked] | deque[Limit]) -> int:
    return min(len(line), len(line) // _LOOKS_A_ROUND + _AT_LEAST)


def _of(plan: Plan | None, *scopes: str) -> Iterable[Limit]:
    return () if plan is None else [limit for limit in plan.limits if limit.name[0] in scopes]
