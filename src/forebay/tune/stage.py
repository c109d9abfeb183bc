"""Stages of the ladder: each one proposes changes of one kind. One stage a file, in `stages/`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from forebay.core.registry import Registry
from forebay.tune.objective import Objective
from forebay.tune.setting import Change, Setting
from forebay.tune.space import Space
from forebay.tune.trial import Trial


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Where the ladder stands: the setting that is best so far and what its trial has shown."""

    space: Space
    objective: Objective
    setting: Setting
    trial: Trial | None = None

    def number(self, flag: str, default: float) -> float:
        """A flag's number as it is set, else the default."""
        value = self.setting.args.get(flag)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else default

    @property
    def causes(self) -> frozenset[str]:
        """What is known to hold the setting back."""
        found = self.trial.causes if self.trial is not None else ()
        return frozenset(cause.what for cause in found if cause.weight >= 0.3)

    @property
    def concurrency(self) -> int:
        """The load that the setting bears, as far as it is known."""
        best = self.trial.best if self.trial is not None else None
        return best.concurrency if best is not None else self.objective.concurrency


Stage = Callable[[Situation], Iterable[Change]]

stages: Registry[Stage] = Registry("stage")

ORDER = (
    "killers",
    "graphs",
    "memory",
    "sequences",
    "batched_tokens",
    "context",
    "prefix_cache",
    "scheduling",
    "kv_type",
    "quantised_weights",
    "speculation",
    "network",
    "parallelism",
    "instances",
    "embedded",
    "routing",
    "caches",
    "prepare",
    "admission",
)
"""What is worth most and risks least comes first; what changes answers comes after what does not; the gateway last."""


def load_stages() -> Registry[Stage]:
    """Fill the registry."""
    stages.load("forebay.tune.stages")
    return stages


def order(space: Space) -> tuple[str, ...]:
    """The stages that are climbed."""
    return tuple(name for name in ORDER if not space.only or name in space.only)


def proposals(situation: Situation) -> list[tuple[str, list[Change]]]:
    """What each stage proposes that would make a difference, in the order of the stages."""
    load_stages()
    found = []
    for name in order(situation.space):
        changes = [change for change in stages[name](situation) if change.alters(situation.setting)]
        if changes:
            found.append((name, changes))
    return found
