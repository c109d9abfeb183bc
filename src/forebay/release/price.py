"""What a change costs before it is made: what is restarted, for how long, and what it needs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

from forebay.engines.spec import EngineSpec
from forebay.messages import _, ngettext
from forebay.release.running import Strategy
from forebay.release.strategy import gpus, has_room, surges

Means = Literal["starts", "stops", "restarts"]


class UnitChange(msgspec.Struct, frozen=True, kw_only=True):
    """A unit that is not what it was. `engine` is what it is to be, or was, where it is one."""

    name: str
    kind: str
    means: Means
    engine: EngineSpec | None = None


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """What has been seen: how long engines took to start, by slot, and how long calls take."""

    start_s: dict[str, float] = {}
    call_p99_s: float | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of a change. `seen`: from what was observed; otherwise times are the limits of the configuration.

    `surge`: engines that start beside the old ones. `spare_gpus`: what all of them would need to do so. `without`:
    models that no engine serves for a time, whose calls wait.
    """

    units: dict[str, tuple[str, ...]]
    engines: int = 0
    surge: tuple[str, ...] = ()
    in_place: tuple[str, ...] = ()
    warm_up_s: float = 0.0
    drain_s: float = 0.0
    total_s: float = 0.0
    spare_gpus: int = 0
    seen: bool = False
    drain_seen: bool = False
    without: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "; ".join(_words(self)) or _("nothing is restarted")


def price(
    changes: Iterable[UnitChange], fleet: tuple[EngineSpec, ...], strategy: Strategy, observed: Observed
) -> Price:
    """What `changes` cost while `fleet` runs."""
    changes = tuple(changes)
    units: dict[str, list[str]] = {}
    for change in changes:
        units.setdefault(f"{change.kind} {change.means}", []).append(change.name)
    fresh = [change.engine for change in changes if change.means != "stops" and change.engine is not None]
    restarted = [change.engine for change in changes if change.means == "restarts" and change.engine is not None]
    beside = [engine for engine in restarted if surges(engine, fleet, strategy)]
    in_place = [engine for engine in restarted if engine not in beside]
    gone = [change.engine for change in changes if change.means == "stops" and change.engine is not None]
    drained = [*restarted, *gone]
    start_s = {engine.name: observed.start_s.get(engine.name, engine.start_s) for engine in fresh}
    drain_s = max((_drain_s(engine, observed) for engine in drained), default=0.0)
    one_by_one = sum(start_s[engine.name] + _drain_s(engine, observed) for engine in in_place)
    at_once = max((start_s[engine.name] for engine in fresh if engine not in in_place), default=0.0)
    return Price(
        units={what: tuple(names) for what, names in units.items()},
        engines=len(fresh),
        surge=tuple(engine.name for engine in beside),
        in_place=tuple(engine.name for engine in in_place),
        warm_up_s=sum(start_s[engine.name] for engine in in_place) + at_once,
        drain_s=drain_s,
        total_s=max(one_by_one, at_once + (drain_s if beside or gone else 0.0)),
        spare_gpus=sum(len(gpus(engine)) for engine in in_place if not has_room(engine, fleet)),
        seen=bool(fresh) and all(engine.name in observed.start_s for engine in fresh),
        drain_seen=observed.call_p99_s is not None,
        without=_without(in_place, fleet),
    )


def _drain_s(engine: EngineSpec, observed: Observed) -> float:
    return engine.drain_s if observed.call_p99_s is None else min(engine.drain_s, observed.call_p99_s)


def _without(in_place: list[EngineSpec], fleet: tuple[EngineSpec, ...]) -> tuple[str, ...]:
    replaced: Mapping[str, list[EngineSpec]] = {engine.model: [] for engine in in_place}
    for engine in fleet:
        if engine.model in replaced:
            replaced[engine.model].append(engine)
    return tuple(model for model, engines in replaced.items() if len(engines) < 2)


def _words(price: Price) -> list[str]:
    words = [f"{_means(what)} {', '.join(names)}" for what, names in price.units.items()]
    if price.engines:
        n = price.engines
        said = ngettext("{engines} engine warms up, {time} in all", "{engines} engines warm up, {time} in all", n)
        if not price.seen:
            said = ngettext("{engines} engine warms up, at most {time}", "{engines} engines warm up, at most {time}", n)
        words.append(said.format(engines=price.engines, time=_time(price.warm_up_s)))
    if price.surge:
        said = ngettext("{count} starts beside the old one", "{count} start beside the old ones", len(price.surge))
        words.append(said.format(count=len(price.surge)))
    if price.spare_gpus:
        said = ngettext(
            "needs {count} spare GPU, or drains 1 at a time",
            "needs {count} spare GPUs, or drains 1 at a time",
            price.spare_gpus,
        )
        words.append(said.format(count=price.spare_gpus))
    elif price.in_place:
        words.append(_("drains 1 at a time"))
    if price.drain_s:
        said = _("p99 drain {time}") if price.drain_seen else _("drain at most {time}")
        words.append(said.format(time=_time(price.drain_s)))
    if price.total_s:
        words.append(_("about {time} until all is in force").format(time=_time(price.total_s)))
    words += [_("calls for {model} wait meanwhile").format(model=model) for model in price.without]
    return words


def _means(what: str) -> str:
    kind, means = what.split()
    texts = {"starts": _("starts {kind}:"), "stops": _("stops {kind}:"), "restarts": _("restarts {kind}:")}
    kinds = {"engine": _("engine"), "worker": _("worker"), "edge": _("edge"), "valkey": "Valkey"}
    return texts[means].format(kind=kinds.get(kind, kind))


def _time(seconds: float) -> str:
    return _("{n:.0f} min").format(n=seconds / 60) if seconds >= 90 else _("{n:.0f} s").format(n=max(1.0, seconds))
