"""Which unit is each engine: the one that runs so already, the old one's in its place, or a new one beside it.

An engine's unit is called like the engine (its slot). One that was started beside another carries a mark of what it was
asked to be, `<slot>.<6 hex digits>`, for as long as it runs: two releases of one engine can always be told apart.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import msgspec

from forebay.controller.plan import Planned
from forebay.engines.record import UnitRecord
from forebay.engines.spec import EngineSpec
from forebay.release.running import Strategy
from forebay.release.strategy import surges

_MARKED = re.compile(r"(.+)\.[0-9a-f]{6}")
Plan = Callable[[EngineSpec, str], Planned]


class Placed(msgspec.Struct, frozen=True):
    """`units` by name, and their engines as `slots`.

    `leaving`: units that go as soon as another one is ready, with the name of that one.
    """

    units: dict[str, Planned]
    slots: dict[str, str]
    leaving: dict[str, tuple[str, Planned]]

    def slots_of(self, names: Iterable[str]) -> frozenset[str]:
        """The engines that these units are."""
        stayed = (self.leaving[name][0] if name in self.leaving else name for name in names)
        return frozenset(self.slots.get(name, name) for name in stayed)


class Fleet(msgspec.Struct, frozen=True):
    """The engines of the release that runs, how they are replaced, and the slots whose old engine stays beside."""

    engines: tuple[EngineSpec, ...] = ()
    strategy: Strategy = "auto"
    beside: frozenset[str] = frozenset()


def place(units: Mapping[str, Planned], running: Mapping[str, UnitRecord], fleet: Fleet, plan: Plan) -> Placed:
    """Give every engine its unit; `plan` makes one for a spec and its slot."""
    placed: dict[str, Planned] = {}
    slots: dict[str, str] = {}
    leaving: dict[str, tuple[str, Planned]] = {}
    for slot, planned in units.items():
        spec = planned[0].engine
        if spec is None or planned[0].make is None:
            placed[slot], slots[slot] = planned, slot
            continue
        mine = {name: running[name] for name in running if name == slot or _is_marked(name, slot, units)}
        name = _name(
            slot, planned[0].digest, mine, surging=slot in fleet.beside or surges(spec, fleet.engines, fleet.strategy)
        )
        placed[name] = planned if name == slot else plan(_renamed(spec, name), slot)
        slots[name] = slot
        for other, record in mine.items():
            if other != name:
                old, probe = plan(_renamed(spec, other), slot)
                stays = msgspec.structs.replace(old, digest=record.digest)  # it is to leave, not to be replaced
                leaving[other] = (name, (stays, probe))
    return Placed(placed, slots, leaving)


def _name(slot: str, digest: str, mine: Mapping[str, UnitRecord], *, surging: bool) -> str:
    same = [name for name, record in mine.items() if record.digest == digest]
    if same:
        return slot if slot in same else same[0]
    if not mine:
        return slot
    marked = f"{slot}.{digest[:6]}"
    if surging and marked not in mine:
        return marked
    return slot if slot in mine else min(mine)


def _is_marked(name: str, slot: str, units: Mapping[str, Planned]) -> bool:
    marked = _MARKED.fullmatch(name)
    return marked is not None and marked[1] == slot and name not in units  # an operator may call an engine so


def _renamed(spec: EngineSpec, name: str) -> EngineSpec:
    return msgspec.structs.replace(spec, name=name)
