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
from forebay.controller.parking import Copy, Short, parked, roomless, short_of
from forebay.controller.plan import Planned
from forebay.controller.status import ScalingStatus
from forebay.gateway.siblings import Siblings
from forebay.messages.reasons import Reason, because
from forebay.scale.foresight import Foresight
from forebay.scale.policy import Load, Scaler
from forebay.scale.rules import rules_of
from forebay.store.state_dir import StateDir

_LOOK_S = 0.5
_STILL = Short(held="change", why=because("number_stays"))


class _Group(msgspec.Struct):
    """The copies of one engine, by slot, in the order in which they are taken.

    `short`: why not all is as wanted. `aside`: those that a change does without.
    """

    name: str
    model: str
    slots: tuple[str, ...]
    places: int
    scaler: Scaler
    ready: int = 0
    short: Short = Short()
    aside: frozenset[str] = frozenset()

    @property
    def calls(self) -> float:
        """What all of its copies are meant to have in flight."""
        return self.scaler.rules.most * self.scaler.rules.calls


class Scaling:
    """Says for each keeper of a scaled engine whether it is parked, by what it sees, after a restart too.

    What the access log foretells is started ahead of time, where the file says how long ahead.
    """

    def __init__(self, state: StateDir, journal: Callable[[], Journal]) -> None:
        self._journal = journal
        self._foresight = Foresight(state.logs, lambda text: journal().say("warning", text))
        self._workers = Siblings(state.counters, own_pid=0)
        self._groups: dict[str, _Group] = {}
        self._shared = False
        self._look_at_s = 0.0

    async def run(self) -> None:
        """Foretell, as long as the controller leads."""
        await self._foresight.run()

    @property
    def status(self) -> tuple[ScalingStatus, ...]:
        """What is wanted now."""
        return tuple(self._told(group) for group in self._groups.values())

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
                        group.scaler, group.short = known.scaler, known.short
                    self._groups[group.name] = group
                    if engine.scale.ahead is not None:
                        ahead_s[model] = max(engine.scale.ahead, ahead_s.get(model, 0.0))
        self._shared = config.controller.lease.via == "valkey"
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
            self._settle(group, _of(group, keepers), tried, still=still)

    def _settle(self, group: _Group, mine: Collection[Keeper], tried: Collection[str], *, still: bool) -> None:
        """Park what is to be parked, and tell what stands against it."""
        copies, least = group.scaler.copies, group.scaler.rules.least
        seen = [_copy(each) for each in mine]
        group.aside = group.aside | roomless(copies, least, seen, tried) if still else frozenset()
        resting = parked(group.slots, copies, seen, tried, group.aside)
        for each in mine:
            each.parked = each.name in resting
        group.ready = _ready(mine)
        short = short_of([each for each in seen if each.name not in resting], copies)
        if not short.held and group.scaler.unseen:
            short = Short(held="unseen", why=group.scaler.unseen)
        self._tell(group, _STILL if still and not short.held else short)

    def _decide(self, keepers: Collection[Keeper], now_s: float) -> None:
        self._workers.refresh()
        dark = self._dark(keepers)
        calls = {name: self._calls(_of(group, keepers)) for name, group in self._groups.items()}
        full = [
            name for name, group in self._groups.items() if calls[name] >= group.places * _ready(_of(group, keepers))
        ]
        for name, group in self._groups.items():
            mine = _of(group, keepers)
            waiting = self._workers.waiting() / len(full) if name in full else 0.0
            held = sum(each.load.held or 0 for each in mine if each.load is not None)
            at_copies = max(calls[name], held) if self._shared else calls[name]
            load = Load(
                at_s=now_s,
                wall_s=time.time(),
                calls=at_copies + waiting,
                ready=_ready(mine),
                kv_ratio=_cache(mine),
                expected=self._expected(group),
                held=held,
                unseen=dark or _silent(mine),
            )
            before = group.scaler.copies
            if group.scaler.decide(load):
                after, why = group.scaler.copies, group.scaler.why
                self._journal().say("info", f"{name}: {before} -> {after} copies: {why}", unit=name)

    def _calls(self, mine: Collection[Keeper]) -> int:
        return sum(self._workers.outstanding(each.name) for each in mine)

    def _dark(self, keepers: Collection[Keeper]) -> Reason | None:
        """Workers whose calls cannot be counted."""
        workers = [each for each in keepers if each.desired.kind == "worker" and each.health.state == "ready"]
        names = [each.name for each in workers if each.pid not in self._workers.pids]
        return because("counters_lost", names=", ".join(names)) if names else None

    def _expected(self, group: _Group) -> float:
        """Its part of what is foretold for the model."""
        foretold = self._foresight.expected(group.model).calls
        return foretold * group.calls / sum(each.calls for each in self._groups.values() if each.model == group.model)

    def _tell(self, group: _Group, short: Short) -> None:
        if short.held != group.short.held and short.held not in ("", "change"):
            said = f"{group.name}: {group.ready} of {group.scaler.copies} copies are ready: {short.why}"
            self._journal().say("warning", said, unit=group.name, held=short.held)
        group.short = short

    def _told(self, group: _Group) -> ScalingStatus:
        rules, foretold = group.scaler.rules, self._foresight.expected(group.model)
        return ScalingStatus(
            name=group.name,
            model=group.model,
            copies=group.scaler.copies,
            least=rules.least,
            most=rules.most,
            why=group.scaler.why,
            ready=group.ready,
            held=group.short.held,
            held_why="" if group.short.why is None else str(group.short.why),
            cause=group.short.why,
            expected=round(self._expected(group), 2),
            no_forecast=foretold.why,
        )


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


def _of(group: _Group, keepers: Collection[Keeper]) -> list[Keeper]:
    return [each for each in keepers if each.slot in group.slots]


def _copy(keeper: Keeper) -> Copy:
    health = keeper.health
    return Copy(
        name=keeper.name,
        slot=keeper.slot,
        state=health.state,
        why=health.why,
        waits_s=0.0 if health.waits_since_s is None else time.monotonic() - health.waits_since_s,
        runs=keeper.runs,
        troubled=keeper.hopeless or keeper.leave,
    )


def _ready(mine: Collection[Keeper]) -> int:
    return sum(each.health.state == "ready" for each in mine)


def _silent(mine: Collection[Keeper]) -> Reason | None:
    """Copies that take calls and do not say how many they have."""
    names = [
        each.name for each in mine if each.health.state == "ready" and (each.load is None or each.load.held is None)
    ]
    return because("load_untold", names=", ".join(names)) if names else None


def _cache(mine: Collection[Keeper]) -> float | None:
    """How full the KV caches are on average."""
    told = [each.load.kv_usage_ratio for each in mine if each.health.state == "ready" and each.load is not None]
    known = [ratio for ratio in told if ratio is not None]
    return fmean(known) if known else None
