"""The judges of one step, a model each, and what all of them together say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from forebay.config.schema.rollout import RolloutTolerance
from forebay.release.judge.judge import Judge
from forebay.release.judge.measures import Finding, Outcome
from forebay.release.judge.tolerance import Tolerance
from forebay.release.rollout.effects import Effect, Effects
from forebay.release.rollout.sides import Sides


class Ruling(msgspec.Struct, frozen=True):
    """`outcome` of all models; `said`: what it rests on, `figures`: every measure of every model, a line each."""

    outcome: Outcome
    said: tuple[str, ...]
    figures: tuple[str, ...]


def tolerance_of(chosen: RolloutTolerance, least_calls: int) -> Tolerance:
    """The tolerance of the configuration as the judge takes it; quality probes are judged elsewhere."""
    given = chosen.model_dump(exclude={"probe_rise"})
    return Tolerance(**given, least_calls=least_calls)


class Bench:
    """Hears the calls of one step."""

    def __init__(self, sides: Mapping[str, Sides], tolerance: Tolerance, *, effects: bool = False) -> None:
        self._sides = sides
        self._effects = {model: Effects() for model in sides} if effects else {}
        self._judges = {model: Judge(tolerance) for model in sides}
        self.calls = {model: [0, 0] for model in sides}

    def hear(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Take calls in the order of their ends."""
        for line in lines:
            sides = self._sides.get(line["model"])
            seen = sides.seen(line) if sides is not None else None
            if seen is not None:
                self._judges[line["model"]].add(seen)
                self.calls[line["model"]][seen.side == "baseline"] += 1
                if self._effects:
                    self._effects[line["model"]].add(seen)

    def alarm(self) -> tuple[str, Finding] | None:
        """The model and the measure that is surely too bad already."""
        for model, judge in self._judges.items():
            if (found := judge.alarm) is not None:
                return model, found
        return None

    def rule(self) -> Ruling:
        """What the step has shown so far; costs a moment where calls are many."""
        verdicts = {model: judge.verdict() for model, judge in self._judges.items()}
        outcomes = {verdict.outcome for verdict in verdicts.values()}
        outcome: Outcome = "fail" if "fail" in outcomes else "pass" if outcomes == {"pass"} else "insufficient data"
        said = [f"{m}: {why}" for m, v in verdicts.items() if v.outcome == outcome for why in v.reasons]
        figures = [f"{m}: {told(each)}" for m, v in verdicts.items() for each in v.findings]
        return Ruling(outcome, tuple(said), tuple(figures))

    def effects(self) -> dict[str, tuple[Effect, ...]]:
        """How the two sides differ, by model; nothing where nobody asked for it."""
        return {model: each.found() for model, each in self._effects.items()}


def told(finding: Finding) -> str:
    return f"{finding.measure} ({finding.outcome}): {finding.why}"
