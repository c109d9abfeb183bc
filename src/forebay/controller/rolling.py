"""The controller's part of a rollout: its steps, what people ask of it, and what follows from the judge's word.

How far it has come is in `running.json`, what was seen is in the workers' logs: a controller that is killed leaves
nothing behind that the next one lacks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import msgspec

from forebay.config.schema.rollout import Rollout as Plan
from forebay.controller.changing import Changing
from forebay.controller.journal import Journal
from forebay.controller.keeper import Keeper
from forebay.controller.watching import Watch
from forebay.gateway.rollout.policy import RolloutPolicy
from forebay.release.rollout.bench import told
from forebay.release.rollout.decide import Decision, decide, due
from forebay.release.rollout.lanes import policies
from forebay.release.rollout.orders import Order, take
from forebay.release.rollout.state import Rollout, baseline_of
from forebay.release.running import Change
from forebay.release.version import read_config
from forebay.store.state_dir import StateDir

_LOOK_S = 1.0
_HOPELESS_STARTS = 2


class Rolling:
    """Takes one turn after another. `canaries` are their units by slot, as they are placed now."""

    def __init__(self, state: StateDir, changing: Changing, canaries: Callable[[], Mapping[str, str]]) -> None:
        self.watch: Watch | None = None
        self._state = state
        self._changing = changing
        self._canaries = canaries
        self._looked_s = float("-inf")
        self._plan: tuple[str, Plan] | None = None

    @property
    def policies(self) -> dict[str, RolloutPolicy]:
        """What the snapshot carries, by model."""
        under_way = self.under_way
        if under_way is None:
            return {}
        change, rollout = under_way
        return policies(rollout, self._plan_of(change), change.id, self._canaries())

    @property
    def canaries(self) -> Mapping[str, str]:
        """Units of the engines that are tried, by slot."""
        return self._canaries()

    @property
    def under_way(self) -> tuple[Change, Rollout] | None:
        """The change and its rollout, until it is promoted or taken back."""
        change = self._changing.change
        if change is None or change.rollout is None or change.slots is None or not self._changing.forward:
            return None
        return change, change.rollout

    async def turn(self, keepers: Mapping[str, Keeper], journal: Journal) -> bool:
        """Whether something else is wanted from now on, which is to be read."""
        under_way = self.under_way
        if under_way is None:
            self._forget()
            return False
        change, rollout = under_way
        order = take(self._state.run)
        if order is not None and order.change == change.id:
            return self._obey(order, rollout, journal)
        if not change.stands:
            return False
        if not rollout.step_at:
            return self._begin(rollout, keepers, journal)
        if time.monotonic() - self._looked_s < _LOOK_S:
            return False
        self._looked_s = time.monotonic()
        return await self._look(change, rollout, keepers, journal)

    def _plan_of(self, change: Change) -> Plan:
        if self._plan is None or self._plan[0] != change.id:
            self._plan = change.id, read_config(change.to.config).rollout
        return self._plan[1]

    def _forget(self) -> None:
        if self.watch is not None:
            self.watch.close()
        self.watch = None

    def _obey(self, order: Order, rollout: Rollout, journal: Journal) -> bool:
        journal.say("info", f"{order.wish} of the rollout is asked for", by=order.by, reason=order.reason)
        if order.wish == "abort":
            self._changing.turn_back(": ".join(filter(None, (f"aborted by {order.by}", order.reason))), journal)
            return True
        if order.wish == "promote":
            self._changing.widen(journal)
            return True
        self._changing.note(msgspec.structs.replace(rollout, paused=order.wish == "pause", held="", cause=None))
        return False

    def _begin(self, rollout: Rollout, keepers: Mapping[str, Keeper], journal: Journal) -> bool:
        """Once the fresh engines of the old release are ready too, or will never be: those are not wanted then."""
        fresh = {slot: keepers[baseline_of(slot)] for slot in rollout.baselines if baseline_of(slot) in keepers}
        lost = {slot: each for slot, each in fresh.items() if each.history.never_ready >= _HOPELESS_STARTS}
        if any(each.health.state != "ready" for slot, each in fresh.items() if slot not in lost):
            return False
        why = "; ".join(f"{each.name}: {each.health.reason}" for each in lost.values()) or rollout.no_baseline
        stay = tuple(slot for slot in rollout.baselines if slot not in lost)
        self._changing.note(
            msgspec.structs.replace(rollout, step_at=time.time(), baselines=stay, no_baseline=why, held="", cause=None)
        )
        said = f"the first of {len(rollout.steps)} steps begins"
        journal.say("info", said, share=rollout.now.share_ratio, baseline=why or "fresh")
        return bool(lost)

    async def _look(
        self, change: Change, rollout: Rollout, keepers: Mapping[str, Keeper], journal: Journal
    ) -> bool:  # fmt: skip
        plan = self._plan_of(change)
        if self.watch is None or not self.watch.is_of(change, rollout):
            self._forget()
            self.watch = Watch(change, rollout, plan, dict(self._canaries()), self._state.logs)
        watch, ends = self.watch, due(rollout, time.time())
        await watch.look(rule=ends)
        if rollout.probes:
            watch.ask_probes(rollout, keepers)
        alarm = watch.alarm
        # What A and B differ in is for a person to see; that one of them fails calls is not.
        if alarm is not None and (rollout.strategy != "ab" or alarm[1].measure == "error rate"):
            self._changing.turn_back(f"{alarm[0]}: {told(alarm[1])}", journal)
            return True
        return ends and self._follow(_decision(watch, rollout, plan), watch, rollout, journal)

    def _follow(self, decision: Decision, watch: Watch, rollout: Rollout, journal: Journal) -> bool:
        """Do what was decided at the step's end."""
        if decision.kind == "fail":
            self._changing.turn_back(str(decision.why), journal)
            return True
        if decision.kind in ("promote", "next"):
            figures = list(watch.ruling.figures) if watch.ruling is not None else []
            journal.say("info", f"step {rollout.step + 1} of {len(rollout.steps)} has passed", figures=figures)
        if decision.kind == "promote":
            self._changing.widen(journal)
            return True
        if decision.kind == "next":
            step, now = rollout.step + 1, time.time()
            self._changing.note(msgspec.structs.replace(rollout, step=step, step_at=now, held="", cause=None))
            return False
        held = decision.why if decision.kind == "hold" else None
        if (held.code if held else "") != rollout.held_for:  # the figures in it change with every look
            journal.say("warning", f"the rollout is held: {held}" if held else "the rollout goes on")
            self._changing.note(msgspec.structs.replace(rollout, held=str(held or ""), cause=held))
        return False


def _decision(watch: Watch, rollout: Rollout, plan: Plan) -> Decision:
    assert watch.ruling is not None  # noqa: S101  a step that ends is ruled on
    outcome, said = watch.ruling.outcome, "; ".join(watch.ruling.said)
    unanswered = [told(each) for each in watch.quality.values() if each.outcome != "pass"]
    if outcome == "pass" and rollout.probes and (unanswered or not watch.quality):
        outcome, said = "insufficient data", "; ".join(unanswered) or "the quality probes are not answered yet"
    return decide(rollout, plan, outcome, said, time.time())
