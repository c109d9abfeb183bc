"""The controller: reads the configuration, keeps its units, publishes snapshots, tells the status."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from pathlib import Path

import msgspec

from forebay.config.load import load
from forebay.config.schema import Config
from forebay.controller.desired import can_bind, free_port, worker_ports
from forebay.controller.discovered import Discovery
from forebay.controller.journal import Journal
from forebay.controller.keeper import Keeper, Surroundings, Turnstile
from forebay.controller.limits import valkey_ref
from forebay.controller.plan import Planned, plan, plan_engines
from forebay.controller.publish import Publisher
from forebay.controller.report import report, with_discovery
from forebay.controller.snapshot import EngineNow, build
from forebay.controller.status import Status, read_status, write_status
from forebay.core.errors import ConfigError, ForebayError, StateError
from forebay.engines.fleet import expand
from forebay.engines.spec import EngineSpec
from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.siblings import Siblings
from forebay.render.edge import write_edge
from forebay.security import key_store
from forebay.store.sqlite import connect, data_version
from forebay.store.state_dir import StateDir
from forebay.substrate.local import LocalSubstrate

_TICK_S = 0.1
_STATUS_S = 1.0
_CERTIFICATE_S = 60.0
_SETTLE_S = 5.0
_EXPIRY_S = 1.0
_POLICY_REFUSED = "the workers did not take the new gateway policy: the old one is in force again"


class Arguments(msgspec.Struct, frozen=True):
    """What the controller was started with."""

    config: Path
    environment: str | None
    state: StateDir


class Controller:
    """Owns the keepers; everything else it holds can be read again from disk by another controller."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._state = arguments.state
        self._config, units = self._read()
        log = self._config.observe.log
        self.journal = Journal(self._config.service, log.level)
        self._discovery = Discovery(self._state.discovered, arguments.config.resolve().parent, self.journal)
        self._discovery.retarget(self._config)
        self._substrate = LocalSubstrate(self._state)
        self._publisher = Publisher(self._state, self._substrate, self.journal, time.monotonic)
        self._database = connect(self._state.database)
        self._pepper = key_store.load_pepper(self._state.pepper)
        self._keys: list[key_store.KeyRow] = []
        self._key_version = -1
        self._keys_read_s = float("-inf")
        # A time that stays: the same state must give the same snapshot after the controller was started again.
        self._created_at = int(self._state.pepper.stat().st_mtime)
        self._keepers: dict[str, Keeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._read_at = time.time()
        self._findings: tuple[str, ...] = ()
        self._changed = asyncio.Event()
        self._reload_asked = False
        self._stopping = False
        self._status_s = float("-inf")
        # Soon, for an edge that was adopted: the configuration may have changed while no controller was there.
        self._certificate_s = time.monotonic() - _CERTIFICATE_S + _SETTLE_S
        # A controller that died between writing the edge's files and saying so leaves nginx with the old ones.
        self._edge_unread = True
        self._around = Surroundings(
            substrate=self._substrate,
            journal=self.journal,
            changed=self._changed,
            still_routed=lambda name: self._publisher.still_routed(name, self._worker_names()),
            calls_at=self._calls_at,
            take_port=self._take_port,
            turnstile=Turnstile(),
        )
        self._listed = frozenset(units)
        self._found = self._discovered()
        self._first_units = {**units, **self._found}

    def ask_reload(self) -> None:
        """Read the configuration again at the next turn."""
        self._reload_asked = True
        self._changed.set()

    def ask_stop(self) -> None:
        """Leave; what runs goes on running."""
        self._stopping = True
        self._changed.set()

    async def run(self) -> None:
        """Keep everything until asked to leave."""
        before = self._status_before()
        ended = self._substrate.end_strays()
        if ended:
            self.journal.say("warning", "processes without a holder were ended", units=list(ended))
        self._forget_unwanted(self._first_units)
        async with asyncio.TaskGroup() as group:
            await self._converge(self._first_units, group, before)
            self._discovery.start(group)
            while not self._stopping:
                await self._turn(group)
                self._changed.clear()
                try:
                    async with asyncio.timeout(_TICK_S):
                        await self._changed.wait()
                except TimeoutError:
                    continue
            self._discovery.stop()
            for task in self._tasks.values():
                task.cancel()
        self._write_status()
        self._database.close()

    async def _turn(self, group: asyncio.TaskGroup) -> None:
        if self._reload_asked:
            self._reload_asked = False
            await self._reload(group)
        await self._follow_discovery(group)
        self._drop_ended()
        self._watch_database()
        self._publish()
        await self._watch_certificate()
        now_s = time.monotonic()
        if self._changed.is_set() or now_s - self._status_s > _STATUS_S:
            self._status_s = now_s
            self._write_status()

    # Configuration

    def _read(self) -> tuple[Config, dict[str, Planned]]:
        loaded = load(self._arguments.config, self._arguments.environment)
        base = self._arguments.config.resolve().parent
        engines = expand(loaded.config, base)
        return loaded.config, plan(loaded.config, engines, self._state, base, self._forget_acknowledgement)

    def _forget_acknowledgement(self, worker: str) -> None:
        self._publisher.forget(worker)

    async def _reload(self, group: asyncio.TaskGroup) -> None:
        """An unusable configuration changes nothing; a usable one changes as little as possible."""
        try:
            config, units = self._read()
            if config.edge.kind != "none" and "edge" in self._keepers:
                await self._renew_edge(config)
            self._discovery.retarget(config)
        except ForebayError as error:
            self._findings = _said(error)
            self._read_at = time.time()
            self.journal.say("error", "the new configuration is refused; the old one stays", findings=self._findings)
            return
        self._config, self._findings, self._publisher.refused = config, (), None
        self.journal.set_level(config.observe.log.level)
        self._discovery.start(group)
        self._listed = frozenset(units)
        self._found = self._discovered()
        await self._converge({**units, **self._found}, group, None)
        self._read_at = time.time()
        self.journal.say("info", "the configuration has been read again")

    async def _converge(self, units: dict[str, Planned], group: asyncio.TaskGroup, before: Status | None) -> None:
        seen = {unit.name: unit for unit in before.units} if before else {}
        for name, keeper in self._keepers.items():
            keeper.removed = name not in units
        for name, (desired, probe) in units.items():
            known = self._keepers.get(name)
            if known is not None:
                await known.retarget(desired, probe)
                known.forgive()
                continue
            keeper = Keeper(desired, probe, self._around)
            keeper.adopt(seen.get(name))
            self._keepers[name] = keeper
        self._watch_database()
        self._publish()  # before any worker starts: it needs one to read
        for name, keeper in self._keepers.items():
            if name not in self._tasks:
                self._tasks[name] = group.create_task(keeper.run())

    # Discovery

    def _discovered(self) -> dict[str, Planned]:
        """The engines found now; one that has the name of a unit that is listed is left out, and that is said."""
        specs = {spec.name: spec for spec in self._discovery.specs()}
        for name in specs.keys() & self._listed:
            del specs[name]
            self.journal.say("error", f"a discovered engine is called {name}, as another unit is: it takes no calls")
        return plan_engines(specs.values(), self._config, self._state)

    async def _follow_discovery(self, group: asyncio.TaskGroup) -> None:
        """Add what was found, drain what is gone, and touch nothing else."""
        found = self._discovered()
        if _engines(found) == _engines(self._found):
            return
        for name in self._found.keys() - found.keys():
            self._keepers[name].removed = True
        for name, (desired, probe) in found.items():
            keeper = self._keepers.get(name)
            if keeper is None:
                self._keepers[name] = Keeper(desired, probe, self._around)
                self._tasks[name] = group.create_task(self._keepers[name].run())
            elif keeper.desired.engine != desired.engine:
                await keeper.retarget(desired, probe)
            self._keepers[name].removed = False
        self._found = found
        self._changed.set()

    def _calls_at(self, engine: str) -> int:
        """Calls that the workers have at an engine."""
        workers = Siblings(self._state.counters, own_pid=0)
        workers.refresh()
        try:
            return workers.outstanding(engine)
        finally:
            workers.close()

    def _forget_unwanted(self, units: dict[str, Planned]) -> None:
        """Units of an earlier configuration that nobody keeps any more are stopped; ended ones are forgotten."""
        for name, record in self._substrate.observe().items():
            if name in units or name == "controller":
                continue
            if record.holder.alive:
                self.journal.say("info", f"{name} is no longer wanted and is stopped", unit=name)
                self._substrate.stop([name], 30.0)
            self._substrate.delete(name)

    def _drop_ended(self) -> None:
        for name, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[name], self._keepers[name]

    # Keys, intents, snapshots

    def _watch_database(self) -> None:
        """Keys and intents, as soon as another process has changed them; keys also as they expire."""
        now_s = time.monotonic()
        try:
            version = data_version(self._database)
            if version == self._key_version and now_s - self._keys_read_s < _EXPIRY_S:
                return
            self._keys = key_store.active(self._database, time.time())
            intents = {row["engine"]: row["intent"] for row in self._database.execute("SELECT * FROM intents")}
        except sqlite3.Error as error:
            self.journal.say("error", f"the state database cannot be read: {error}")
            return
        self._key_version, self._keys_read_s = version, now_s
        for name, keeper in self._keepers.items():
            keeper.leave = keeper.desired.kind == "engine" and intents.get(name) == "drain"

    def _publish(self) -> None:
        engines = [
            EngineNow(spec=keeper.serving, port=keeper.port, routable=keeper.health.routable)
            for keeper in self._keepers.values()
            if keeper.serving is not None
        ]
        try:
            valkey = self._valkey()
            self._publisher.offer(build(self._config, engines, self._keys, self._pepper, self._created_at, valkey))
            late = self._publisher.pursue(self._worker_names())
        except OSError as error:  # a full disk: what the workers hold stays good
            self.journal.say("error", f"the snapshot cannot be written: {error}")
            return
        for name in late:
            self._keepers[name].give_up("it did not take the snapshot")

    def _valkey(self) -> ValkeyRef | None:
        return valkey_ref(self._config, self._state, self._arguments.config.resolve().parent)

    def _worker_names(self) -> list[str]:
        return [name for name, keeper in self._keepers.items() if keeper.desired.kind == "worker"]

    # Edge, ports, status

    async def _watch_certificate(self) -> None:
        """A certificate that was renewed is served without being told."""
        if time.monotonic() - self._certificate_s < _CERTIFICATE_S or "edge" not in self._keepers:
            return
        self._certificate_s = time.monotonic()
        try:
            await self._renew_edge(self._config)
        except (ForebayError, OSError) as error:
            self.journal.say("error", "the edge cannot be renewed; it keeps what it has", findings=_said(error))

    async def _renew_edge(self, config: Config) -> None:
        base = self._arguments.config.resolve().parent
        changed = await asyncio.to_thread(write_edge, config, self._state, worker_ports(config), base)
        if changed or self._edge_unread:
            self._edge_unread = False
            self._substrate.signal("edge", 1)
            self.journal.say("info", "the edge reads its new configuration", unit="edge")

    def _take_port(self, name: str, wanted: int) -> int:
        keeper = self._keepers[name]
        if keeper.desired.port:
            return keeper.desired.port
        taken = {other.port for other in self._keepers.values() if other is not keeper}
        if wanted and wanted not in taken and can_bind("127.0.0.1", wanted):
            return wanted
        return free_port(taken)

    def _status_before(self) -> Status | None:
        try:
            return read_status(self._state.status)
        except StateError:
            return None

    def _write_status(self) -> None:
        refused = (_POLICY_REFUSED,) if self._publisher.refused is not None else ()
        findings = (*self._findings, *refused)
        status = report(self._config, self._keepers.values(), self._publisher, self._read_at, findings)
        status = with_discovery(status, self._discovery.status())
        try:
            write_status(self._state.status, status)
        except OSError as error:
            self.journal.say("error", f"the status cannot be written: {error}")


def _engines(units: dict[str, Planned]) -> dict[str, EngineSpec | None]:
    return {name: desired.engine for name, (desired, _probe) in units.items()}


def _said(error: Exception) -> tuple[str, ...]:
    if isinstance(error, ConfigError) and error.findings:
        return tuple(map(str, error.findings))
    return (str(error),)
