"""What a session would try, and until when, before anything is started."""

from __future__ import annotations

from typing import Any

from forebay.tune.budget import pace_of
from forebay.tune.ladder import Rules
from forebay.tune.objective import Objective
from forebay.tune.setting import Change, Setting
from forebay.tune.space import Space
from forebay.tune.standing import Choices, Standing, together
from forebay.tune.trial import Trial

_CONFIRMING = 4
"""Starts of a change that is kept: it, and present, candidate, present again."""


def plan(space: Space, objective: Objective, rules: Rules) -> list[dict[str, Any]]:
    """The steps as they are taken while every change is kept; those beyond the budget are told without a time."""
    choices = Choices(space, objective)
    pace = pace_of([], window_s=rules.window_s, rungs=rules.rungs, is_vllm=space.is_vllm)
    standing = _standing(space.baseline())
    spent_s = pace.trial_s(standing.setting)
    rows = [{"step": "baseline", "change": "", "why": "as the file has it", "seconds": spent_s}]
    for changes in _strides(choices, standing, rules):
        setting = together(changes, standing.setting)
        starts = _CONFIRMING if rules.way == "stages" else 1
        spent_s += starts * pace.trial_s(setting)
        choices.mark(changes, kept=True)
        standing = _standing(setting)
        rows.append(_row(changes, spent_s if spent_s <= rules.budget_s else None))
    rows += [{"step": "refused", "change": name, "why": why, "seconds": None} for name, why in choices.refused.items()]
    return rows


def _strides(choices: Choices, standing: Standing, rules: Rules) -> Any:
    """As the ladder takes them; the standing is that of the moment because it is asked for anew each time."""
    steps = _Steps(choices, standing, rules)
    while changes := steps.next():
        yield changes


class _Steps:
    def __init__(self, choices: Choices, standing: Standing, rules: Rules) -> None:
        self._choices, self._setting, self._rules = choices, standing.setting, rules
        self._strides = [False, True] if rules.way == "strides" else []

    def next(self) -> list[Change]:
        changes: list[Change] = []
        while self._strides and not changes:
            changes = self._choices.bundle(_standing(self._setting), (), precision=self._strides.pop(0))
        if not changes:
            changes = self._choices.singles(_standing(self._setting), ())[:1]
        self._setting = together(changes, self._setting)
        return changes


def _standing(setting: Setting) -> Standing:
    trial = Trial(id=0, setting=setting, repeat=0, label="", outcome="measured", began_at=0.0)
    return Standing(setting=setting, trials=(trial,))


def _row(changes: list[Change], seconds: float | None) -> dict[str, Any]:
    stages = ", ".join(dict.fromkeys(change.stage for change in changes))
    why = changes[0].why if len(changes) == 1 else "made together, for lint knows that they agree"
    return {"step": stages, "change": ", ".join(change.name for change in changes), "why": why, "seconds": seconds}
