"""The controller: reads the configuration, keeps its units, publishes snapshots, tells the status."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from functools import partial

from forebay.config.schema import Config
from forebay.controller.complying import Complying
from forebay.controller.discovered import Discovery
from forebay.controller.drifting import DriftWatch, held
from forebay.controller.edging import Edging
from forebay.controller.feeding import Feeding
from forebay.controller.journal import Journal
from forebay.controller.judging import judge, seen_of
from forebay.controller.keeper import Keeper
from forebay.controller.lease.fence import Fence, FencedSubstrate
from forebay.controller.lease.standby import standing_by
from forebay.controller.monitoring import MonitoringFollower
from forebay.controller.peers import Peers, as_running
from forebay.controller.plan import Planned, plan_engines
from forebay.controller.ports import take_port
from forebay.controller.publish import Publisher
from forebay.controller.report import (
    report,
    with_audit,
    with_discovery,
    with_lease,
    with_release,
    with_scaling,
    with_store,
)
from forebay.controller.retaining import Retaining
from forebay.controller.rolling import Rolling
from forebay.controller.scaling import Scaling
from forebay.controller.status import Status, UnitStatus, read_status, write_status
from forebay.controller.strangers import Strangers
from forebay.controller.succession import let_go, take_over
from forebay.controller.unit import Surroundings, Turnstile
from forebay.controller.wanted import Arguments, Wanted, said
from forebay.core.errors import ForebayError, StateError
from forebay.engines.spec import EngineSpec
from forebay.release.store import Store
from forebay.substrate.agents import drop_agents
from forebay.substrate.local import LocalSubstrate, is_running

_TICK_S = 0.1
_STATUS_S = 1.0
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
        self._keepers: dict[str, Keeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._discovery = Discovery(self._state.discovered, base, self.journal)
        self._substrate = FencedSubstrate(LocalSubstrate(self._state), fence)
        self._publisher = Publisher(self._state, self._substrate, self.journal, time.monotonic)
        self._feeding = Feeding(arguments, self._config, self._publisher, self._keepers, self.journal)
        self._read_at = time.time()
        self._findings: tuple[str, ...] = ()
        self._changed = asyncio.Event()
        self._reload_asked = False
        self._stopping = False
        self._status_s = float("-inf")
        self._edging = Edging(
            self._state, base, self.journal, lambda: self._substrate.signal("edge", 1), self._changed.set
        )
        self._edging.follow(self._config)
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
            is_busy=self._feeding.is_busy,
            take_port=partial(take_port, self._keepers),
            turnstile=Turnstile(),
            settle_s=peers.settle_s,
        )
        self._scaling = Scaling(self._state, lambda: self.journal)
        self._strangers = Strangers(self._substrate, self.journal, self._feeding.is_busy)
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
                self._edging.follow_file(),
                self._drift.run(),
                self._monitoring.run(),
                self._feeding.follow_issuers(),
                self._feeding.follow_keys(),
                self._scaling.run(),
                self._edging.follow_certificates(),
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
        self._feeding.close()

    async def _turn(self, group: asyncio.TaskGroup) -> None:
        self._fence.check()
        if self._reload_asked:
            self._reload_asked = False
            await self._reload(group)
        await self._follow_discovery(group)
        self._drop_ended(group)
        self._feeding.look()
        self._scale()
        self._publish()
        if not self._peers.follows:
            await self._judge(group)
            if await self._rolling.turn(self._keepers, self.journal):
                await self._reload(group)
        if "edge" in self._keepers:
            await self._edging.look(self._config)
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
                await self._edging.renew(config)
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
        self._feeding.read_anew()
        self._edging.follow(config)
        self.journal.set_level(config.observe.log.level)
        self._discovery.start(group)
        self._listed = frozenset(units)
        self._found = self._discovered()
        await self._converge({**units, **self._found}, group, None)
        self._read_at = time.time()
        self.journal.say("info", "the configuration has been read again")

    def _retarget(self, config: Config) -> None:
        for each in (self._discovery, self._edging, self._feeding):
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
        self._feeding.look()
        self._publish()  # before any worker starts: it needs one to read
        for name, keeper in self._keepers.items():
            if name not in self._tasks:
                self._tasks[name] = group.create_task(keeper.run())
        for name in strangers:
            going = self._strangers.let_go(name, self._config.gateway.timeouts.drain, partial(self._keeps, name))
            self._leaving.add(group.create_task(going))

    def _keeps(self, name: str) -> bool:
        return name in self._keepers

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
            [seen_of(keeper) for keeper in self._keepers.values() if not keeper.parked],
            wanted if self._changing.forward else self._wanted.touched,
            _POLICY_REFUSED if self._publisher.refused is not None else "",
            late=self._changing.late,
            taken=self._feeding.is_taken and self._edging.is_read,
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

    def _drop_ended(self, group: asyncio.TaskGroup) -> None:
        for name, task in list(self._tasks.items()):
            if not task.done():
                continue
            keeper = self._keepers[name]
            if keeper.removed:
                del self._tasks[name], self._keepers[name]
            else:  # wanted again as it ended
                self._tasks[name] = group.create_task(keeper.run())

    # What others are told

    def _publish(self) -> None:
        self._fence.check()
        if self._feeding.publish(self._config, self._rolling):
            self._peers.tell(self._changing.running, self._keepers.values(), self._wanted.canaries)

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
        status = with_scaling(status, self._scaling.status)
        status = with_release(status, self._changing.running, self._rolling, drift)
        status = with_audit(self._edging.told(status), self._state.audit)
        status = with_store(status, self._feeding.store_status())
        status = self._peers.status(with_lease(status, self._fence, standing_by(self._state)))
        self._fence.check()
        try:
            self._changing.keep()
            write_status(self._state.status, status)
        except OSError as error:
            self.journal.say("error", f"the status cannot be written: {error}")


def _engines(units: dict[str, Planned]) -> dict[str, EngineSpec | None]:
    return {name: desired.engine for name, (desired, _probe) in units.items()}
