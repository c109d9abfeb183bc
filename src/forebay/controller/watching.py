"""What the controller has seen of one step of a rollout; made again from the logs where it is started again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path

from forebay.config.schema.rollout import Rollout as Plan
from forebay.controller.asking import Sides, ask_all
from forebay.controller.keeper import Keeper
from forebay.engines.spec import EngineSpec
from forebay.release.judge.measures import Finding
from forebay.release.rollout import probes as quality
from forebay.release.rollout.bench import Bench, Ruling, tolerance_of
from forebay.release.rollout.effects import Effect
from forebay.release.rollout.lanes import lanes, sides
from forebay.release.rollout.log_tail import Calls
from forebay.release.rollout.state import Rollout
from forebay.release.running import Change

_RULE_S = 10.0
_RULE_SHARE = 0.05
_ASK_AGAIN_S = 5.0


class Watch:
    """One step: its judge, the logs that it reads, and the quality probes."""

    def __init__(self, change: Change, rollout: Rollout, plan: Plan, canaries: Mapping[str, str], logs: Path) -> None:
        self.bench = Bench(
            sides(rollout, canaries),
            tolerance_of(plan.tolerance, rollout.now.least_calls),
            effects=rollout.strategy == "ab",
        )
        self.ruling: Ruling | None = None
        self.effects: dict[str, tuple[Effect, ...]] = {}
        self.quality: dict[str, Finding] = {}
        self._of = change.id, rollout.step
        self._canaries = canaries
        self._probe_rise = plan.tolerance.probe_rise
        # What is switched at once is compared with what was before.
        since = change.at if rollout.strategy == "blue-green" else rollout.step_at
        self._calls = Calls(logs, since)
        self._rule_at_s = self._asked_s = float("-inf")
        self._asking: asyncio.Task[dict[str, list[quality.Asked]]] | None = None

    def is_of(self, change: Change, rollout: Rollout) -> bool:
        return self._of == (change.id, rollout.step)

    async def look(self, *, rule: bool) -> None:
        """Hear what is new; rule at the step's end, and now and then for whoever looks at the status."""
        rule = rule or time.monotonic() >= self._rule_at_s
        await asyncio.to_thread(self._look, rule)

    @property
    def alarm(self) -> tuple[str, Finding] | None:
        """The model and what is surely too bad already."""
        failed = [(model, each) for model, each in self.quality.items() if each.outcome == "fail"]
        return failed[0] if failed else self.bench.alarm()

    def ask_probes(self, rollout: Rollout, keepers: Mapping[str, Keeper]) -> None:
        """At the begin of a step, and again while one of the two sides did not answer."""
        if self._asking is not None and self._asking.done():
            asked = self._asking.result()
            self.quality = {model: quality.judged(each, self._probe_rise) for model, each in asked.items() if each}
            self._asking = None
        open_ = not self.quality or any(each.outcome == "insufficient data" for each in self.quality.values())
        if open_ and self._asking is None and time.monotonic() - self._asked_s >= _ASK_AGAIN_S:
            self._asked_s = time.monotonic()
            self._asking = asyncio.create_task(ask_all(rollout.probes, self._pairs(rollout, keepers)))

    def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    def _look(self, rule: bool) -> None:
        self.bench.hear(self._calls.read())
        if rule:
            began_s = time.monotonic()
            self.ruling = self.bench.rule()
            self.effects = self.bench.effects()
            # A hundred thousand calls take a while to compare: never more than a small part of the time.
            self._rule_at_s = (now_s := time.monotonic()) + max(_RULE_S, (now_s - began_s) / _RULE_SHARE)

    def _pairs(self, rollout: Rollout, keepers: Mapping[str, Keeper]) -> dict[str, Sides]:
        """An engine of either side for each model; where there is no baseline, any other."""
        found: dict[str, Sides] = {}
        for model, lane in lanes(rollout, self._canaries).items():
            ready = {
                name: (each.serving, each.port)
                for name, each in keepers.items()
                if each.serving is not None and each.serving.model == model and each.health.state == "ready"
            }
            ours = _first(ready, lane.canary)
            theirs = _first(ready, (*lane.baseline, *(name for name in ready if name not in lane.canary)))
            if ours is not None and theirs is not None:
                found[model] = ours, theirs
        return found


def _first(
    ready: Mapping[str, tuple[EngineSpec, int]], names: tuple[str, ...]
) -> tuple[EngineSpec, int] | None:  # fmt: skip
    return next((ready[name] for name in names if name in ready), None)
