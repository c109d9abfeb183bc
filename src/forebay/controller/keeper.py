"""Keeps one unit as it should be: started, healthy, started again, drained, stopped.

Every keeper is a task of its own. What it knows about the unit's process it reads from the holder's record each time,
so that a keeper made by a second controller continues where the first one's ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Literal

import msgspec

from forebay.controller.probes import Probe
from forebay.controller.restarts import History, after_end
from forebay.controller.status import UnitStatus
from forebay.controller.unit import Desired, Surroundings
from forebay.core.errors import ForebayError
from forebay.engines.health import Evidence, Health, advance, begin
from forebay.engines.record import UnitRecord
from forebay.engines.scrape import EngineLoad
from forebay.messages.reasons import Reason, because
from forebay.substrate.agents import AGENT_ENDED
from forebay.substrate.local import is_running, why_ended
from forebay.substrate.place import Place, read_place, write_place

_TURN_S = 0.1
_LOOK_SOON_S = 0.1
_LOOK_S = 1.0
_KILL_MARGIN_S = 15.0
_AGENT_S = 1.0


class Keeper:
    """One unit and its task."""

    def __init__(self, desired: Desired, probe: Probe, around: Surroundings) -> None:
        self.desired = desired
        self.slot = desired.name
        self.serving = desired.engine
        self.probe = probe
        self.history = History()
        self.port = desired.port
        self.pid = 0
        self.digest = ""
        self.load: EngineLoad | None = None
        self.leave = False
        self.parked = False
        self.successor: Keeper | None = None
        self.lived_s = 0.0
        self.ready_after_s: float | None = None
        self._removed = False
        self.health = begin(time.monotonic())
        self._around = around
        self._up = False
        self._started_s = 0.0
        self._was_ready = False
        self._start_at_s = 0.0
        self._looking: asyncio.Task[Evidence] | None = None
        self._look_at_s = 0.0
        self._idle_looks = 0
        self._given_up: Reason | None = None
        self._adopted = False
        self._handed: Place | None = None
        self._left = History()

    @property
    def name(self) -> str:
        return self.desired.name

    @property
    def removed(self) -> bool:
        """Whether it is to go; one with a successor goes once that one can take its calls."""
        if self._removed and self.successor is not None and self.successor.health.state == "ready":
            self.successor = None
        return self._removed and self.successor is None

    @removed.setter
    def removed(self, removed: bool) -> None:
        self._removed, self.successor = removed, None

    def make_way(self, successor: Keeper) -> None:
        """Go once `successor` is ready."""
        if not (self._removed and self.successor is None):
            self._removed, self.successor = True, successor

    @property
    def hopeless(self) -> bool:
        """Whether it is not started any more until somebody changes something."""
        return self.history.hopeless

    @property
    def runs(self) -> bool:
        """Whether its process is there, as far as is known."""
        return self._up

    @property
    def overdue(self) -> bool:
        """Whether it has waited for a place for longer than a start may take."""
        since_s = self.health.waits_since_s
        return since_s is not None and time.monotonic() - since_s > self.probe.patience.start_s

    @property
    def outdated(self) -> bool:
        """Whether what runs is not what is wanted."""
        if self.parked and not self._up:
            return False  # it will be what is wanted when it is started
        return self._removed or (
            self.desired.make is not None and self._outdated(self._around.substrate.find(self.name))
        )

    def adopt(self, seen: UnitStatus | None) -> None:
        """Take over a unit that already runs; `seen` is what the controller before us last saw of it."""
        self._adopted = True
        if seen is not None:
            self.history = History(restarts=seen.restarts)
            self.ready_after_s = seen.ready_after_s
        if self.desired.make is None:
            self._mark_up(None)
        else:
            record = self._around.substrate.find(self.name)
            if record is None or not is_running(record):
                return
            self._mark_up(record)
            self._find_place()  # before the first snapshot: it would be without the engine
            self._around.journal.say("info", f"{self.name} is adopted", unit=self.name, pid=self.pid)
        if seen is not None and seen.state == "ready" and seen.pid == self.pid:
            # Judged anew from here, but never taken out of routing only because the controller was away.
            now_s = time.monotonic()
            self.health = Health(state="ready", why=seen.said, since_s=now_s, begun_s=now_s, answered_s=now_s)
            self._was_ready = True

    def take_over(self, place: Place, digest: str) -> None:
        """Go on with an engine that another machine's controller held, where it is: calls may reach it meanwhile."""
        if self._up or self.serving is None:
            return
        self._handed, self.digest = place, digest
        self.port, self.serving = place.port, msgspec.structs.replace(self.serving, host=place.host)
        now_s = time.monotonic()
        self.health = Health(
            state="ready", why=because("process_adopted"), since_s=now_s, begun_s=now_s, answered_s=now_s
        )

    async def retarget(self, desired: Desired, probe: Probe) -> None:
        """Want something else; a unit that runs and is no longer what is wanted is replaced in its turn."""
        await self._stop_looking()
        await self.probe.close()
        self.desired, self.probe = desired, probe
        if desired.make is None or not self._outdated(self._around.substrate.find(self.name)):
            self.serving = desired.engine
            self.port = desired.port or self.port

    def give_up(self, why: Reason) -> None:
        """End the unit at the next turn, and start it again."""
        self._given_up = why

    def forgive(self) -> None:
        """Forget the failures: the operator asked again."""
        self.history = History(restarts=self.history.restarts)
        self._start_at_s = 0.0

    async def run(self) -> None:
        """Keep the unit until it is removed."""
        try:
            while not (self.removed and not self._up and self._handed is None):
                try:
                    await self._turn()
                except (ForebayError, OSError) as error:
                    self._around.journal.say("error", f"{self.name}: {error}", unit=self.name)
                    await asyncio.sleep(1.0)
                await asyncio.sleep(_TURN_S)
            if self.desired.make is not None:
                self._around.substrate.delete(self.name)
        finally:
            self._release_turnstile()
            await self._stop_looking()
            await self.probe.close()

    async def _turn(self) -> None:
        if not self._up:
            await self._consider_start()
            return
        record = self._around.substrate.find(self.name) if self.desired.make is not None else None
        if self.desired.make is not None and (record is None or not is_running(record)):
            self._note_left(record)
            await self._note_end(self._why(record))
            return
        if self._given_up is not None:
            await self._kill(self._given_up)
            return
        self._find_place()
        self._look()
        if self.health.state == "failed":
            await self._kill(self.health.why)
        elif self._must_go(record):
            await self._go()

    # Starting and ending

    async def _consider_start(self) -> None:
        if self._goes and self._handed is None:
            self._release_turnstile()
            self._settle("draining", self._gone)
            return
        if self.hopeless or time.monotonic() < self._start_at_s:
            return
        if self.desired.prepare is not None:
            await self.desired.prepare()
        if self._handed is not None and self.desired.place is not None:
            write_place(self.desired.place, self._handed)  # known before its agent has found it
        make = self.desired.make
        record = None
        if make is not None:
            if self.desired.place is None:
                self.port = self._around.take_port(self.name, self.desired.port or self.port)
            record = await asyncio.to_thread(self._around.substrate.start, make(self.port))
        self._adopted = self._handed is not None
        if self._handed is None:
            self.serving = self.desired.engine
        self._mark_up(record)
        if self._handed is None:
            self._become(begin(time.monotonic()))
        else:
            self._was_ready, self._handed = bool(self._handed.port), None
        self._around.journal.say("info", f"{self.name} is started", unit=self.name, pid=self.pid, port=self.port)

    def _mark_up(self, record: UnitRecord | None) -> None:
        self._up = True
        self._was_ready = False
        self._given_up = None
        self._idle_looks = 0
        self.load = None
        self._started_s = time.monotonic()
        if record is not None:
            self.port = record.port or self.port
            self.pid = record.program.pid if record.program else 0
            self.digest = record.digest

    def _note_left(self, record: UnitRecord | None) -> None:
        """An agent that failed or was killed leaves its engine: another one has to end it where nobody wants it."""
        ended = record is not None and record.exit_status in (0, AGENT_ENDED)
        if not self._goes or ended or self.desired.place is None or self.serving is None:
            self._left = History()
            return
        self._left = after_end(self._left, lived_s=0.0, was_ready=False)
        if self._left.hopeless:
            said = f"its agent ended {self._left.never_ready} times in a row without ending it: end it where it runs"
            self._around.journal.say("error", f"the engine {self.name} may still run: {said}", unit=self.name)
            self._left = History()
            return
        self._handed = Place(self.serving.host, self.port)
        self._start_at_s = time.monotonic() + max(_AGENT_S, self._left.wait_s)

    async def _note_end(self, why: Reason) -> None:
        """Decide what an end means: asked for, one more try, or hopeless."""
        await self._stop_looking()
        await self.probe.close()
        self._up = False
        self.pid = 0
        self.load = None
        if self._goes:
            self._settle("draining", self._gone)
            return
        self.lived_s = time.monotonic() - self._started_s
        self.history = after_end(self.history, lived_s=self.lived_s, was_ready=self._was_ready)
        self._start_at_s = time.monotonic() + self.history.wait_s
        if self.hopeless:
            # The turnstile stays closed: what does not start here would not start in the place of the next one either.
            why = because("never_ready", starts=self.history.never_ready, why=why)
        self._settle("failed", why)
        level = "error" if self.hopeless else "warning"
        then = "is not started again" if self.hopeless else f"is started again in {self.history.wait_s:g} s"
        self._around.journal.say(level, f"{self.name} {then}: {why}", unit=self.name)

    async def _kill(self, why: Reason) -> None:
        if self.desired.make is None:
            return
        record = self._around.substrate.find(self.name)
        if self.desired.place is None:
            await asyncio.to_thread(self._around.substrate.kill, self.name)
        else:  # an agent that is killed leaves its engine as it is: it is asked to end it
            stop_s = self.desired.make(self.port).stop_s + _KILL_MARGIN_S
            await asyncio.to_thread(self._around.substrate.stop, [self.name], stop_s)
            self._note_left(self._around.substrate.find(self.name))
        await self._note_end(
            because("both", first=why, second=self._why(record)) if record and record.ended_at else why
        )

    def _why(self, record: UnitRecord | None) -> Reason:
        return because("record_gone") if record is None else why_ended(record, self.desired.log)

    # Looking

    def _find_place(self) -> None:
        """Where an engine of a cluster listens, as soon as its agent knows."""
        if self.desired.place is None or self.serving is None:
            return
        place = read_place(self.desired.place)
        host, port = (place.host, place.port) if place is not None else (self.serving.host, 0)
        if (host, port) != (self.serving.host, self.port):
            self.serving = msgspec.structs.replace(self.serving, host=host)
            self.port = port
            self._around.changed.set()

    def _look(self) -> None:
        """Take the evidence that has come in, judge it, and send for more."""
        now_s = time.monotonic()
        if self._looking is not None and self._looking.done():
            evidence = self._looking.result()
            self._looking = None
            self.load = evidence.load
            self._judge(msgspec.structs.replace(evidence, leave=self._leaves_routing()), now_s)
            self._look_at_s = now_s + (_LOOK_S if self.health.state == "ready" else _LOOK_SOON_S)
        elif self._leaves_routing() and self.health.state != "draining":
            self._judge(Evidence(answers=True, load=self.load, leave=True), now_s)
        if self._looking is None and now_s >= self._look_at_s:
            self._looking = asyncio.create_task(self.probe.look(self.health, self.port))

    def _judge(self, evidence: Evidence, now_s: float) -> None:
        before = self.health
        self._become(advance(before, evidence, self.probe.patience, now_s))
        if self.health.state == "draining":
            empty = evidence.load is not None and evidence.load.held == 0 and before.state == "draining"
            # What the engine is done with may still be on its way, or not be there yet: the workers know.
            self._idle_looks = self._idle_looks + 1 if empty and not self._around.is_busy(self.name) else 0
        if self.health.state == "ready":
            if not self._was_ready and not self._adopted:
                self.ready_after_s = now_s - self._started_s
            self._was_ready = True
            self._release_turnstile()

    def _become(self, health: Health) -> None:
        before, self.health = self.health, health
        if (before.state, before.why) != (health.state, health.why):
            self._around.changed.set()
        if before.state != health.state and health.state in ("ready", "stalled", "draining"):
            level = "warning" if health.state == "stalled" else "info"
            self._around.journal.say(level, f"{self.name} is {health.state}: {health.reason}", unit=self.name)

    def _settle(self, state: Literal["draining", "failed"], why: Reason) -> None:
        now_s = time.monotonic()
        if (self.health.state, self.health.why) != (state, why):
            self._become(msgspec.structs.replace(begin(now_s), state=state, why=why))

    async def _stop_looking(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
            self._looking = None

    # Leaving

    @property
    def _goes(self) -> bool:
        """Whether it is to stop, and to be started no more until somebody wants it again."""
        return self.leave or self.parked or self.removed

    @property
    def _gone(self) -> Reason:
        wanted = self.leave or self.removed
        return because("has_left" if wanted else "not_needed")

    def _leaves_routing(self) -> bool:
        if self._goes:
            return True
        passes = self._around.turnstile.inside == self.name
        return passes and self._outdated(self._around.substrate.find(self.name))

    def _outdated(self, record: UnitRecord | None) -> bool:
        return record is not None and record.digest != self.desired.digest

    def _must_go(self, record: UnitRecord | None) -> bool:
        if self._goes:
            return True
        if not self._outdated(record):
            return False
        # One at a time: the others carry the calls meanwhile. Held until the new one is ready.
        return self._around.turnstile.enter(self.name)

    async def _go(self) -> None:
        """Stop the unit once nothing is left in it, or its time is over."""
        if self.desired.make is None:
            if self.removed and self._may_let_go():
                self._up = False
            return
        if not self._may_stop():
            return
        await self._stop_looking()
        stop_s = self.desired.make(self.port).stop_s + _KILL_MARGIN_S
        late = await asyncio.to_thread(self._around.substrate.stop, [self.name], stop_s)
        self._around.journal.say("warning" if late else "info", f"{self.name} has stopped", unit=self.name)
        self._up = False
        self.pid = 0
        self._start_at_s = 0.0
        self._note_left(self._around.substrate.find(self.name))
        self._settle("draining", self._gone)

    def _may_stop(self) -> bool:
        # One that was adopted may have been ready before.
        if self.desired.drain_s is None or not (self._was_ready or self._around.is_busy(self.name)):
            return True
        if self.health.state != "draining":
            return False
        drained_s = time.monotonic() - self.health.since_s
        return (self._idle_looks >= 2 and drained_s >= self._around.settle_s) or drained_s > self.desired.drain_s

    def _may_let_go(self) -> bool:
        """Whether our own calls at a server of somebody else have ended; other clients' calls are not ours to await."""
        if self.health.state != "draining":
            return False
        if self.desired.drain_s is not None and time.monotonic() - self.health.since_s > self.desired.drain_s:
            return True
        return not self._around.is_busy(self.name)

    def _release_turnstile(self) -> None:
        self._around.turnstile.leave(self.name)
