"""How far a rollout has come: all that a controller needs to go on with another one's."""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.messages.reasons import Reason

Strategy = Literal["canary", "blue-green", "shadow", "ab"]
BASELINE = "baseline"


class Step(msgspec.Struct, frozen=True):
    """One share of the calls, how long at least, and how many calls of each side a verdict needs."""

    share_ratio: float
    lasts_s: float
    least_calls: int


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt both sides are asked. `holds`, `matches` (a regular expression), or `agrees` with the baseline."""

    prompt: str
    model: str = ""
    holds: str = ""
    matches: str = ""
    agrees: bool = False
    max_tokens: int = 64


class Rollout(msgspec.Struct, frozen=True, kw_only=True):
    """A rollout under way. `slots` by model: the engines of the old release that have a canary.

    `baselines`: those that have a fresh engine of the old release beside it; `no_baseline` says why there is none.
    `step` counts from 0, and begins at `step_at` (epoch; 0: it waits for engines). `held`: why it waits for a person,
    the text of `cause`.
    """

    strategy: Strategy
    steps: tuple[Step, ...]
    slots: dict[str, tuple[str, ...]]
    baselines: tuple[str, ...] = ()
    no_baseline: str = ""
    probes: tuple[Probe, ...] = ()
    step: int = 0
    step_at: float = 0.0
    paused: bool = False
    held: str = ""
    cause: Reason | None = None

    @property
    def now(self) -> Step:
        return self.steps[self.step]

    @property
    def held_for(self) -> str:
        """Which kind of reason it waits for a person for; empty where it does not."""
        return self.cause.code if self.cause is not None else self.held

    @property
    def held_shown(self) -> str:
        """Why it waits for a person, in the reader's language; empty where it does not."""
        return self.cause.shown if self.cause is not None else self.held

    @property
    def is_last(self) -> bool:
        return self.step + 1 == len(self.steps)


def baseline_of(slot: str) -> str:
    """What the fresh engine of the old release beside `slot` is called."""
    return f"{slot}.{BASELINE}"
