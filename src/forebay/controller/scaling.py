"""How many copies of each engine run: looks at what they have to do, and parks those that are not needed."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from statistics import fmean

import msgspec

from forebay.config.crosscheck.names import engine_names
from forebay.config.schema import Config, EmbeddedEngine, VllmEngine
from forebay.controller.journal import Journal
from forebay.controller.keeper import Keeper
from forebay.controller.plan import Planned
from forebay.controller.status import ScalingStatus
from forebay.gateway.siblings import Siblings
from forebay.scale.foresight import Foresight
from forebay.scale.policy import Load, Scaler
from forebay.scale.rules import rules_of
from forebay.store.state_dir import StateDir

_LOOK_S = 0.5


class _Group(msgspec.Struct):
    """The copies of one engine, by slot, in the order in which they are taken."""

    name: str
    model: str
    slots: tuple[str, ...]
    places: int
    scaler: Scaler


class Scaling:
    """Says for each keeper of a scaled engine whether it is parked, by what it sees, after a restart too.

    What the access log foretells is started ahead of time, where the file says how long ahead.
    """

    def __init__(self, state: StateDir, journal: Callable[[], Journal]) -> None:
        self._journal = journal
        self._foresight = Foresight(state.logs, lambda text: journal().say("warning", text))
        self._workers = Siblings(state.counters, own_pid=0)
        self._groups: dict[str, _Group] = {}
        self._look_at_s = 0.0

    async def run(self) -> None:
        """Foretell, as long as the controller leads."""
        await self._foresight.run()

    @property
    def status(self) -> tuple[ScalingStatus, ...]:
        """What is wanted now."""
        return tuple(
            ScalingStatus(
                name=group.name,
                model=group.model,
                copies=group.scaler.copies,
                least=group.scaler.rules.least,
                most=group.scaler.rules.most,
                why=group.scaler.why,
            )
            for group in self._groups.values()
        )

    def retarget(self, config: Config, units: Mapping[str, Planned], running: Collection[str]) -> None:
        """Scale what the configuration says; an engine whose rules stayed goes on from where it is.

        `running` are slots, whatever the units in them are called.
        """
        before, self._groups = self._groups, {}
        ahead_s: dict[str, float] = {}
        for model, each in config.models.items():
            for engine in each.engines:
                if isinstance(engine, EmbeddedEngine | VllmEngine) and engine.scale is not None:
                    group = _group(model, engine, units, running)
                    known = before.get(group.name)
                    if known is not None and (known.slots, known.scaler.rules) == (group.slots, group.scaler.rules):
                        group.scaler = known.scaler
                    self._groups[group.name] = group
                    if engine.scale.ahead is not None:
                        ahead_s[model] = max(engine.scale.ahead, ahead_s.get(model, 0.0))
        self._foresight.retarget(ahead_s)

    def turn(self, keepers: Collection[Keeper], tried: Collection[str], *, still: bool) -> None:
        """Look, decide, and park; `tried` slots run in any case, and while it is `still` nothing is decided."""
        if not self._groups:
            return
        now_s = time.monotonic()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_S
            if not still:
                self._decide(keepers, now_s)
        for group in self._groups.values():
            _park(group, [each for each in keepers if each.slot in group.slots], tried)

    def _decide(self, keepers: Collection[Keeper], now_s: float) -> None:
        self._workers.refresh()
        calls = {name: self._calls(group, keepers) for name, group in self._groups.items()}
        full = [
            name for name, group in self._groups.items() if calls[name] >= group.places * self._ready(group, keepers)
        ]
        for name, group in self._groups.items():
            waiting = self._workers.waiting() / len(full) if name in full else 0.0
            load = Load(
                at_s=now_s,
                wall_s=time.time(),
                calls=calls[name] + waiting,
                ready=self._ready(group, keepers),
                kv_ratio=_cache(group, keepers),
                expected=self._foresight.expected(group.model),
            )
            before = group.scaler.copies
            if group.scaler.decide(load):
                after, why = group.scaler.copies, group.scaler.why
                self._journal().say("info", f"{name}: {before} -> {after} copies: {why}", unit=name)

    def _calls(self, group: _Group, keepers: Collection[Keeper]) -> int:
        return sum(self._workers.outstanding(each.name) for each in keepers if each.slot in group.slots)

    def _ready(self, group: _Group, keepers: Collection[Keeper]) -> int:
        return sum(each.slot in group.slots and each.health.state == "ready" for each in keepers)


def _group(
    model: str, engine: EmbeddedEngine | VllmEngine, units: Mapping[str, Planned], running: Collection[str]
) -> _Group:
    slots = engine_names(model, engine)
    spec = units[slots[0]][0].engine
    places = spec.max_outstanding if spec is not None else 1
    rules = rules_of(engine, places)
    up = sum(slot in running for slot in slots)
    scaler = Scaler(rules, max(up, rules.floor(time.time())), time.monotonic())
    return _Group(slots[0].removesuffix("-1") if len(slots) > 1 else slots[0], model, slots, places, scaler)


def _park(group: _Group, mine: Collection[Keeper], tried: Collection[str]) -> None:
    """The first copies run; one that fails, or was drained by hand, gives its place to the next.

    What runs is parked only once as many of the others are ready as are wanted.
    """
    troubled = {each.slot for each in mine if each.hopeless or each.leave}
    order = sorted(group.slots, key=lambda slot: (slot in troubled, group.slots.index(slot)))
    awake = {*order[: group.scaler.copies], *tried}
    ready = {each.slot for each in mine if each.slot in awake and each.health.state == "ready"}
    enough = len(ready) >= min(group.scaler.copies, len(group.slots) - len(troubled))
    for each in mine:
        if each.slot in awake:
            each.parked = False
        elif enough or not each.runs:
            each.parked = True


def _cache(group: _Group, keepers: Collection[Keeper]) -> float | None:
    """How full the KV caches are on average."""
    told = [
        each.load.kv_usage_ratio
        for each in keepers
        if each.slot in group.slots and each.health.state == "ready" and each.load is not None
    ]
    known = [ratio for ratio in told if ratio is not None]
    return fmean(known) if known else None
