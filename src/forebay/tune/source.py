"""Where trials come from: what a ladder asks of whoever measures, be it engines or a simulation."""

from __future__ import annotations

from typing import Protocol

import msgspec

from forebay.tune.objective import Bounds
from forebay.tune.setting import Setting
from forebay.tune.trial import Answers, Trial


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One trial to be made. `at` are loads that are measured whatever they show, `begin` is where the search starts.

    `precision`: whether the setting may answer less precisely than `answers`, the baseline's. `until_s`: the end of the
    budget, on the clock of the ladder. `hopeless_tokens_per_s`: what the load `begin` must reach to be looked into.
    `slo` takes the place of the objective's. `near`: `begin` was the setting's best load; its neighbour is enough.
    """

    id: int
    setting: Setting
    repeat: int
    label: str
    at: tuple[int, ...] = ()
    begin: int
    answers: Answers | None = None
    precision: bool = False
    until_s: float
    hopeless_tokens_per_s: float = 0.0
    slo: Bounds | None = None
    near: bool = False


class Source(Protocol):
    """Makes trials, one after the other."""

    def run(self, ask: Ask) -> Trial:
        """One whole trial; what goes wrong with the engine is its outcome, not an exception."""
        ...
