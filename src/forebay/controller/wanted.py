"""What the controller is to bring about: the units of the release that runs, or of the one that takes its place."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from forebay.config.load import load
from forebay.config.schema import Config
from forebay.controller.changing import Changing
from forebay.controller.journal import Journal
from forebay.controller.judging import touched
from forebay.controller.placing import Fleet, Placed, place
from forebay.controller.plan import Planned, plan, plan_engines
from forebay.core.errors import ConfigError, ForebayError
from forebay.engines.fleet import expand
from forebay.engines.record import UnitRecord
from forebay.engines.spec import EngineSpec
from forebay.release.rollout.state import BASELINE, baseline_of
from forebay.release.running import Change, read_running
from forebay.release.version import read_config
from forebay.store.state_dir import StateDir


class Arguments(msgspec.Struct, frozen=True):
    """What the controller was started with."""

    config: Path
    environment: str | None
    state: StateDir


def config_of(arguments: Arguments) -> Config:
    """The configuration that a controller which does not lead yet goes by: that of the release that runs."""
    running = read_running(arguments.state.running)
    if running is None:  # started by hand, without a release
        return load(arguments.config, arguments.environment).config
    if running.change is not None:
        with contextlib.suppress(ForebayError):  # it is taken back by whoever leads
            return read_config(running.change.to.config)
    return read_config(running.release.config)


class Wanted:
    """Reads `running.json`; `touched` are the units that the change under way makes something else of."""

    def __init__(self, arguments: Arguments, forget: Callable[[str], None]) -> None:
        self.changing = Changing(arguments.state, arguments.config)
        self.touched: frozenset[str] = frozenset()
        self.canaries: dict[str, str] = {}
        """The units of a rollout's engines, by slot."""
        self._fleet: tuple[EngineSpec, ...] = ()
        self._tried: Config | None = None
        self._configs: tuple[Config, ...] = ()
        self._arguments = arguments
        self._forget = forget

    def read(self) -> tuple[Config, dict[str, Planned]]:
        """The configuration and the units that are wanted now; ForebayError where they cannot run."""
        running = self.changing.read()
        if running is None:  # started by hand, without a release
            return self._planned(load(self._arguments.config, self._arguments.environment).config)
        old, units = self._planned(read_config(running.release.config))
        self._tried, self._configs = None, (old,)
        self._fleet = tuple(each.engine for each, _probe in units.values() if each.engine is not None)
        if (change := running.change) is None:
            return old, units
        try:
            config, new = self._planned(read_config(change.to.config))
        except ForebayError:
            if self.changing.forward:
                raise
            return old, units  # why it is taken back: it touches what it has touched
        self.touched, self._configs = touched(units, new), (old, config)
        if not self.changing.forward:
            return old, units
        if change.slots is None:
            return config, new
        self._tried = config
        chosen = {name: _weighed(new[name], change.weight) for name in change.slots if name in new}
        return old, {**units, **chosen, **self._baselines(change, units, old)}

    def read_or_turn_back(self, journal: Journal) -> tuple[Config, dict[str, Planned]]:
        """A release that cannot even be planned must not keep the one before from running."""
        try:
            return self.read()
        except ForebayError as error:
            if not self.changing.forward:
                raise
            self.changing.turn_back(" ".join(said(error)), journal)
            return self.read()

    def placed(self, units: dict[str, Planned], running: Mapping[str, UnitRecord], config: Config) -> Placed:
        """Which unit each engine is."""
        change = self.changing.change

        def planned(spec: EngineSpec, slot: str) -> Planned:
            # What is tried is tried whole: its image, its hosts, whatever else the new release says of where it runs.
            tried = self._tried if change is not None and slot in (change.slots or ()) else None
            return plan_engines([spec], tried or config, self._arguments.state)[spec.name]

        self.canaries = {}
        if change is None:
            return place(units, running, Fleet(self._fleet), planned)
        beside = frozenset(change.slots or ()) if self.stays_beside else frozenset[str]()
        placed = self._leaving(place(units, running, Fleet(self._fleet, change.strategy, beside), planned), running)
        if self.changing.forward and change.slots is not None:
            self.canaries = {slot: name for name, slot in placed.slots.items() if slot in change.slots}
        return placed

    def as_it_was(self, name: str, slot: str, digest: str) -> Planned | None:
        """An engine that was started as `digest`, of whichever release; None where neither of the two makes it so."""
        base = self._arguments.config.resolve().parent
        for config in self._configs:
            for spec in expand(config, base):
                if spec.name == slot.removesuffix(f".{BASELINE}"):
                    found = plan_engines([msgspec.structs.replace(spec, name=name)], config, self._arguments.state)[
                        name
                    ]
                    if found[0].digest == digest:
                        return found
        return None

    def _leaving(self, placed: Placed, running: Mapping[str, UnitRecord]) -> Placed:
        """What stays beside for now is of the old release, also where it has to be started again meanwhile."""
        leaving = {
            name: (successor, self.as_it_was(name, placed.slots[successor], running[name].digest) or planned)
            for name, (successor, planned) in placed.leaving.items()
        }
        return msgspec.structs.replace(placed, leaving=leaving)

    @property
    def stays_beside(self) -> bool:
        """Whether what is replaced stays for now."""
        change = self.changing.change
        return self.changing.forward and change is not None and change.beside

    def _baselines(self, change: Change, units: dict[str, Planned], config: Config) -> dict[str, Planned]:
        """Engines of the release that runs, as fresh as those of the one that is tried."""
        slots = change.rollout.baselines if change.rollout is not None else ()
        specs = [each.engine for each, _probe in (units[slot] for slot in slots if slot in units) if each.engine]
        fresh = [msgspec.structs.replace(spec, name=baseline_of(spec.name)) for spec in specs]
        return plan_engines(fresh, config, self._arguments.state)

    def _planned(self, config: Config) -> tuple[Config, dict[str, Planned]]:
        base = self._arguments.config.resolve().parent
        return config, plan(config, expand(config, base), self._arguments.state, base, self._forget)


def said(error: Exception) -> tuple[str, ...]:
    """What an error tells a person, a finding each."""
    if isinstance(error, ConfigError) and error.findings:
        return tuple(map(str, error.findings))
    return (str(error),)


def _weighed(planned: Planned, factor: float) -> Planned:
    """An engine that takes so many times its share of the calls."""
    desired, probe = planned
    if desired.engine is None or factor == 1.0:
        return planned
    routing = msgspec.structs.replace(desired.engine.routing, weight=desired.engine.routing.weight * factor)
    return msgspec.structs.replace(desired, engine=msgspec.structs.replace(desired.engine, routing=routing)), probe
