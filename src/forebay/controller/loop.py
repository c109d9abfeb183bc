"""The controller: reads the configuration, keeps its units, publishes snapshots, tells the status."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Mapping
from functools import partial

import msgspec

from forebay.config.schema import Config
from forebay.controller.complying import Complying
from forebay.controller.desired import can_bind, free_port, worker_ports
from forebay.controller.discovered import Discovery
from forebay.controller.drifting import DriftWatch, held
from forebay.controller.edge_follower import EdgeFollower
from forebay.controller.erased import since_erasure
from forebay.controller.followed_keys import KeysInForce
from forebay.controller.identity import with_identity
from forebay.controller.issuers import Issuers
from forebay.controller.journal import Journal
from forebay.controller.judging import Seen, judge
from forebay.controller.keeper import Keeper, Surroundings, Turnstile
from forebay.controller.lease.fence import Fence, FencedSubstrate
from forebay.controller.lease.standby import standing_by
from forebay.controller.limits import valkey_ref
from forebay.controller.monitoring import MonitoringFollower
from forebay.controller.peers import Peers, as_running
from forebay.controller.plan import Planned, plan_engines
from forebay.controller.publish import Publisher
from forebay.controller.renewals import Renewals
from forebay.controller.report import (
    report,
    with_audit,
    with_discovery,
    with_edge,
    with_lease,
    with_release,
    with_renewals,
    with_store,
)
from forebay.controller.retaining import Retaining
from forebay.controller.rolling import Rolling
from forebay.controller.scaling import Scaling
from forebay.controller.snapshot import EngineNow, build, with_rollouts
from forebay.controller.status import Status, UnitStatus, read_status, write_status
from forebay.controller.strangers import Strangers
from forebay.controller.succession import let_go, take_over
from forebay.controller.wanted import Arguments, Wanted, said
from forebay.core.errors import ForebayError, StateError
from forebay.engines.spec import EngineSpec
from forebay.gateway.limits.policy import ValkeyRef
from forebay.gateway.siblings import Siblings
from forebay.release.store import Store
from forebay.render.edge import write_edge
from forebay.render.renewal import note_renewal
from forebay.store.sqlite import connect, data_version
from forebay.substrate.agents import drop_agents
from forebay.substrate.local import LocalSubstrate, is_running

_TICK_S = 0.1
_STATUS_S = 1.0
_CERTIFICATE_S = 60.0
_SETTLE_S = 5.0
_EXPIRY_S = 1.0
_POLICY_REFUSED = "the workers did not take the new gateway policy: the old one is in force again"


class Controller:
    """Owns the keepers; everything else it holds can be read again from disk by another controller."""

    def __init__(self, arguments: Arguments, fence: Fence, peers: Peers) -> None:
        self._arguments = arguments
        self._fence = fence
        self._peers = peers
        self._state = arguments.state
        self.journal = Journal("forebay", "info")
        self._wanted = Wanted(arguments, self._forget_acknowledgement)
        self._changing = self._wanted.changing
        self._rolling = Rolling(self._state, self._changing, lambda: peers.canaries(self._wanted.canaries))
        self._config, units = self._wanted.read() if peers.follows else self._wanted.read_or_turn_back(self.journal)
        units = peers.own(units)
        self.journal = Journal(self._config.service, self._config.observe.log.level)
        base = arguments.config.resolve().parent
        self._discovery = Discovery(self._state.discovered, base, self.journal)
        self._issuers = Issuers(self._state, base, self.journal)
        self._substrate = FencedSubstrate(LocalSubstrate(self._state), fence)
        self._publisher = Publisher(self._state, self._substrate, self.journal, time.monotonic)
        self._database = connect(self._state.database)
        self._keys = KeysInForce(self._config, arguments, self._database, self.journal)
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
        self._edge = EdgeFollower(self._state.edge, self.journal, lambda: self._substrate.signal("edge", 1))
        self._edge.follow(self._config, changed=False)
        self._renewals = Renewals(self._state, base, self.journal, lambda: self._edge.is_read, self._look_soon)
        self._retarget(self._config)
        self._drift = DriftWatch(
            lambda: held(self._changing.running, self._config, self._keepers.values()),
            self._substrate.observe,
            Store.beside(arguments.config),
            self._state.edge,
        )
        self._monitoring = MonitoringFollower(lambda: self._changing.running, self.journal)
        self._around = Surroundings(
            substrate=self._substrate,
            journal=self.journal,
            changed=self._changed,
            still_routed=lambda name: self._publisher.still_routed(name, self._worker_names()),
            calls_at=self._calls_at,
            take_port=self._take_port,
            turnstile=Turnstile(),
            settle_s=peers.settle_s,
        )
        self._scaling = Scaling(self._state, lambda: self.journal)
        self._strangers = Strangers(self._substrate, self.journal, self._is_busy)
        self._leaving: set[asyncio.Task[None]] = set()
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
        ended = self._substrate.end_strays(controllers=False)
        if ended:
            self.journal.say("warning", "processes without a holder were ended", units=list(ended))
        if self._peers.follows:
            drop_agents(self._substrate, self._state)
        async with asyncio.TaskGroup() as group:
            await self._converge(self._first_units, group, before)
            self._discovery.start(group)
            beside = (
                self._edge.run(),
                self._drift.run(),
                self._monitoring.run(),
                self._issuers.run(),
                self._keys.run(),
                self._scaling.run(),
                self._renewals.run(),
                Complying(self._arguments, lambda: self._config, lambda: self.journal).run(),
                Retaining(self._arguments, lambda: self._config, lambda: self.journal).run(),
            )
            watching = [group.create_task(each) for each in beside]
            while not self._stopping:
                await self._turn(group)
                self._changed.clear()
                try:
                    async with asyncio.timeout(_TICK_S):
                        await self._changed.wait()
                except TimeoutError:
                    continue
            self._discovery.stop()
            for task in (*watching, *self._leaving, *self._tasks.values()):
                task.cancel()
        self._write_status()
        self._database.close()

    async def _turn(self, group: asyncio.TaskGroup) -> None:
        self._fence.check()
        if self._reload_asked:
            self._reload_asked = False
            await self._reload(group)
        await self._follow_discovery(group)
        self._drop_ended(group)
        self._watch_database()
        self._scale()
        self._publish()
        if not self._peers.follows:
            await self._judge(group)
            if await self._rolling.turn(self._keepers, self.journal):
                await self._reload(group)
        await self._watch_certificate()
        now_s = time.monotonic()
        if self._changed.is_set() or now_s - self._status_s > _STATUS_S:
            self._status_s = now_s
            self._write_status()

    # Configuration

    def _forget_acknowledgement(self, worker: str) -> None:
        self._publisher.forget(worker)

    async def _reload(self, group: asyncio.TaskGroup) -> None:
        """An unusable configuration changes nothing; a usable one changes as little as possible."""
        try:
            config, units = self._wanted.read()
            units = self._peers.own(units)
            if config.edge.kind != "none" and "edge" in self._keepers:
                await self._renew_edge(config)
            self._retarget(config)
        except (ForebayError, OSError) as error:
            self._findings = said(error)
            self._read_at = time.time()
            self.journal.say("error", "the new configuration is refused; the old one stays", findings=self._findings)
            if self._changing.forward and not self._peers.follows:
                self._changing.turn_back(" ".join(self._findings), self.journal)
                self._reload_asked = True
            return
        self._config, self._findings, self._publisher.refused = config, (), None
        self._key_version = -1  # the keys may be those of another store
        self._edge.follow(config, changed=False)
        self.journal.set_level(config.observe.log.level)
        self._discovery.start(group)
        self._listed = frozenset(units)
        self._found = self._discovered()
        await self._converge({**units, **self._found}, group, None)
        self._read_at = time.time()
        self.journal.say("info", "the configuration has been read again")

    def _retarget(self, config: Config) -> None:
        for each in (self._discovery, self._issuers, self._renewals, self._keys):
            each.retarget(config)

    async def _converge(self, units: dict[str, Planned], group: asyncio.TaskGroup, before: Status | None) -> None:
        await self._peers.tell_change(self._changing.running)
        seen = {unit.name: self._peers.before(unit) for unit in before.units} if before else {}
        handed = self._peers.handed()
        here = {name: record for name, record in self._substrate.observe().items() if is_running(record)}
        running = as_running(handed) | here
        placed = self._wanted.placed(units, running, self._config)
        known_here = self._keepers or self._peers.follows
        strangers = () if known_here else self._strangers.find({*placed.units, *placed.leaving})
        keep = partial(self._keep, seen)
        for name, planned in placed.units.items():
            known = self._keepers.get(name)
            if known is not None:
                await known.retarget(*planned)
                known.forgive()
            else:
                keep(name, planned)
            self._keepers[name].slot = placed.slots[name]
        let_go(self._keepers, placed, running, keep, stays_beside=self._wanted.stays_beside)
        take_over(self._keepers, handed, keep, self._wanted.as_it_was, self.journal)
        if not self._peers.follows:
            self._scaling.retarget(self._config, units, placed.slots_of(running))
            self._scale()
        self._watch_database()
        self._publish()  # before any worker starts: it needs one to read
        for name, keeper in self._keepers.items():
            if name not in self._tasks:
                self._tasks[name] = group.create_task(keeper.run())
        for name in strangers:
            going = self._strangers.let_go(name, self._config.gateway.timeouts.drain, partial(self._keeps, name))
            self._leaving.add(group.create_task(going))

    def _keeps(self, name: str) -> bool:
        return name in self._keepers

    def _is_busy(self, name: str) -> bool:
        return self._publisher.still_routed(name, self._worker_names()) or self._calls_at(name) > 0

    def _keep(self, seen: Mapping[str, UnitStatus], name: str, planned: Planned) -> None:
        keeper = Keeper(*planned, self._around)
        keeper.adopt(seen.get(name))
        self._keepers[name] = keeper

    async def _judge(self, group: asyncio.TaskGroup) -> None:
        """End a change that has come about; take back one that has failed."""
        change = self._changing.change
        if change is None or self._reload_asked:
            return
        wanted = self._wanted.touched if change.slots is None else self._wanted.touched & {*change.slots}
        verdict = judge(
            [_seen(keeper) for keeper in self._keepers.values() if not keeper.parked],
            wanted if self._changing.forward else self._wanted.touched,
            _POLICY_REFUSED if self._publisher.refused is not None else "",
            late=self._changing.late,
            taken=not self._publisher.behind(self._worker_names()) and not self._edge.pending,
        )
        if verdict.kind == "wait":
            return
        if self._changing.forward and verdict.kind == "failed":
            self._changing.turn_back(verdict.why, self.journal)
            await self._reload(group)
        elif self._changing.forward and change.slots is not None:
            self._changing.hold(self.journal)
        elif self._changing.forward:
            self._changing.end("applied", self.journal)
            self._changed.set()
        elif verdict.kind == "done" or self._changing.late:
            self._changing.end("reverted" if verdict.kind == "done" else "failed", self.journal)
            self._changed.set()

    def _scale(self) -> None:
        change = self._changing.change
        tried = () if change is None else change.slots or ()
        self._scaling.turn(self._keepers.values(), tried, still=change is not None)

    # Discovery

    def _discovered(self) -> dict[str, Planned]:
        """The engines found now; one that has the name of a unit that is listed is left out, and that is said."""
        specs = {spec.name: spec for spec in (*self._discovery.specs(), *self._peers.specs())}
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

    def _drop_ended(self, group: asyncio.TaskGroup) -> None:
        for name, task in list(self._tasks.items()):
            if not task.done():
                continue
            keeper = self._keepers[name]
            if keeper.removed:
                del self._tasks[name], self._keepers[name]
            else:  # wanted again as it ended
                self._tasks[name] = group.create_task(keeper.run())

    # Keys, intents, snapshots

    def _watch_database(self) -> None:
        """Keys and intents, as soon as another process has changed them; keys also as they expire."""
        now_s = time.monotonic()
        try:
            version = data_version(self._database)
            if version == self._key_version and not self._keys.now.news and now_s - self._keys_read_s < _EXPIRY_S:
                return
            self._keys.now.look()
            intents = {row["engine"]: row["intent"] for row in self._database.execute("SELECT * FROM intents")}
        except sqlite3.Error as error:
            self.journal.say("error", f"the state database cannot be read: {error}")
            return
        self._key_version, self._keys_read_s = version, now_s
        for name, keeper in self._keepers.items():
            keeper.leave = keeper.desired.kind == "engine" and "drain" in (intents.get(name), intents.get(keeper.slot))

    def _publish(self) -> None:
        engines = [
            EngineNow(spec=keeper.serving, port=keeper.port, routable=keeper.health.routable)
            for keeper in self._keepers.values()
            if keeper.serving is not None and keeper.serving.model in self._config.models
        ]
        keys = self._keys.now
        try:
            valkey = self._valkey()
            self._fence.check()
            wanted = build(self._config, engines, keys.keys, keys.pepper, self._created_at, valkey)
            wanted = with_identity(wanted, self._config, self._issuers.policies, keys.revoked)
            wanted = since_erasure(wanted, self._state)
            self._publisher.offer(with_rollouts(wanted, self._rolling.policies))
            late = self._publisher.pursue(self._worker_names())
            if not self._publisher.behind(self._worker_names()):
                keys.held()
            self._peers.tell(self._changing.running, self._keepers.values(), self._wanted.canaries)
        except (ForebayError, OSError) as error:  # a full disk, a secret being written: what workers hold stays good
            self.journal.say("error", f"the snapshot cannot be made: {error}")
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
            note_renewal(self._state, "")
        except (ForebayError, OSError) as error:
            note_renewal(self._state, str(error))
            self.journal.say("error", "the edge cannot be renewed; it keeps what it has", findings=said(error))

    def _look_soon(self) -> None:
        self._certificate_s = float("-inf")
        self._changed.set()

    async def _renew_edge(self, config: Config) -> None:
        base = self._arguments.config.resolve().parent
        changed = await asyncio.to_thread(write_edge, config, self._state, worker_ports(config), base)
        self._edge.follow(config, changed=changed)

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
        drift = (*self._drift.found, *self._monitoring.found)
        status = with_discovery(status, self._discovery.status())
        status = msgspec.structs.replace(status, scaling=self._scaling.status)
        status = with_release(status, self._changing.running, self._rolling, drift)
        status = with_renewals(with_edge(status, self._edge), self._renewals)
        status = with_audit(status, self._state.audit)
        status = with_store(status, self._keys.now.status())
        status = self._peers.status(with_lease(status, self._fence, standing_by(self._state)))
        self._fence.check()
        try:
            self._changing.keep()
            write_status(self._state.status, status)
        except OSError as error:
            self.journal.say("error", f"the status cannot be written: {error}")


def _seen(keeper: Keeper) -> Seen:
    return Seen(
        name=keeper.name,
        slot=keeper.slot,
        state=keeper.health.state,
        reason=keeper.health.reason,
        failed_starts=keeper.history.never_ready,
        lived_s=keeper.lived_s,
        outdated=keeper.outdated,
    )


def _engines(units: dict[str, Planned]) -> dict[str, EngineSpec | None]:
    return {name: desired.engine for name, (desired, _probe) in units.items()}
