"""Which keeper makes way for which, and what becomes of the engines that another machine's controller leaves."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from forebay.controller.journal import Journal
from forebay.controller.keeper import Keeper
from forebay.controller.lease.book import Served
from forebay.controller.placing import Placed
from forebay.controller.plan import Planned
from forebay.release.strategy import has_room
from forebay.substrate.place import Place

Keep = Callable[[str, Planned], None]
"""Makes a keeper of that name."""


def let_go(
    keepers: Mapping[str, Keeper], placed: Placed, running: Collection[str], keep: Keep, *, stays_beside: bool
) -> None:
    """What is not wanted any more goes, but an engine only once what takes its calls is ready."""
    fresh = [keepers[name] for name in placed.units if name not in running]
    for name, keeper in keepers.items():
        if name in placed.units:
            keeper.removed = False
        elif name not in placed.leaving and not _makes_way(keeper, fresh):
            keeper.removed = True
    for name, (successor, planned) in placed.leaving.items():
        if name not in keepers:
            keep(name, planned)
        keepers[name].slot = placed.slots[successor]
        if stays_beside:
            keepers[name].removed = False
        else:
            keepers[name].make_way(keepers[successor])


def take_over(
    keepers: Mapping[str, Keeper],
    handed: Mapping[str, Served],
    keep: Keep,
    as_it_was: Callable[[str, str, str], Planned | None],
    journal: Journal,
) -> None:
    """Go on with the engines of the leader before; what is not wanted any more is ended as any other."""
    for name, each in handed.items():
        if name not in keepers:
            planned = as_it_was(name, each.slot, each.digest)
            if planned is None:
                journal.say("error", f"{name} at {each.host}:{each.port} is left over: end it by hand")
                continue
            keep(name, planned)
            keepers[name].removed = True
        keepers[name].take_over(Place(each.host, each.port), each.digest)


def _makes_way(keeper: Keeper, fresh: Iterable[Keeper]) -> bool:
    """Whether a unit that is not wanted any more waits for a new engine of its model, one that fits beside it."""
    spec = keeper.serving
    if spec is None or keeper.desired.make is None:
        return False
    for other in fresh:
        engine = other.desired.engine
        if engine is not None and engine.model == spec.model and has_room(engine, [spec]):
            keeper.make_way(other)
            return True
    return False
