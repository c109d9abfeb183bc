"""Whether a change has come about, has failed, or needs more time. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Literal

import msgspec

from forebay.controller.keeper import Keeper
from forebay.controller.plan import Planned

FAILED_STARTS = 2
"""So many starts in a row that never became ready: one may be an accident, such as a port that was taken meanwhile."""
LONG_START_S = 60.0
"""One start that failed after so long is enough: a second one would take as long."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A unit as its keeper sees it. `failed_starts` in a row; `lived_s`: how long the last life was.

    `overdue`: it has waited for a place for longer than a start may take.
    """

    name: str
    slot: str
    state: str
    reason: str
    failed_starts: int
    lived_s: float
    outdated: bool
    overdue: bool = False


class Verdict(msgspec.Struct, frozen=True):
    kind: Literal["wait", "done", "failed"]
    why: str = ""


def judge(units: Iterable[Seen], touched: Collection[str], refused: str, *, late: bool, taken: bool) -> Verdict:
    """Judge by the units that the change touches: what was broken before and is not part of it says nothing.

    `refused`: why the workers or the edge do not take it. `taken`: every worker holds the newest snapshot, and
    the edge runs its newest file.
    """
    if refused:
        return Verdict("failed", refused)
    mine = [unit for unit in units if unit.slot in touched]
    for unit in mine:
        failed = unit.failed_starts >= FAILED_STARTS or (unit.failed_starts and unit.lived_s > LONG_START_S)
        if failed or (unit.overdue and not unit.outdated):  # what is to be replaced may have waited for long before
            return Verdict("failed", f"{unit.name}: {unit.reason}")
    waiting = [unit for unit in mine if unit.outdated or unit.state != "ready"]
    if not waiting and taken:
        return Verdict("done")
    if late:
        said = (
            "; ".join(f"{unit.name} is {unit.state}: {unit.reason}" for unit in waiting)
            or "the workers or the edge are behind"
        )
        return Verdict("failed", f"not ready in time: {said}")
    return Verdict("wait")


def seen_of(keeper: Keeper) -> Seen:
    return Seen(
        name=keeper.name,
        slot=keeper.slot,
        state=keeper.health.state,
        reason=keeper.health.reason,
        failed_starts=keeper.history.never_ready,
        lived_s=keeper.lived_s,
        outdated=keeper.outdated,
        overdue=keeper.overdue,
    )


def touched(before: Mapping[str, Planned], after: Mapping[str, Planned]) -> frozenset[str]:
    """The units that are not to be what they were: their process, its port, or whether there is one."""
    names = before.keys() | after.keys()
    return frozenset(name for name in names if _face(before.get(name)) != _face(after.get(name)))


def _face(planned: Planned | None) -> tuple[str, int] | None:
    return None if planned is None else (planned[0].digest, planned[0].port)
