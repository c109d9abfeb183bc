"""How a new release is tried on part of the calls before all of them get it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

from forebay.config.schema.base import Name, Seconds, Section
from forebay.messages import _

RolloutStrategy = Literal["none", "canary", "blue-green", "shadow", "ab"]
_PERCENT = re.compile(r"(\d{1,6}(?:\.\d{1,6})?) ?%", re.ASCII)


def _share(value: Any) -> Any:
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError(_("{value!r} is not a share: write it in per cent, such as 5%").format(value=value))
    if not 0 < float(found[1]) <= 100:
        raise ValueError(_("{value} is no share of anything: write more than 0% and at most 100%").format(value=value))
    return float(found[1]) / 100


def _shown(ratio: float) -> str:
    return f"{100 * ratio:.10g}%"


Share = Annotated[float, BeforeValidator(_share), PlainSerializer(_shown)]
"""A share as written (`5%`); a ratio inside."""

Ratio = Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False, strict=False)]
Odds = Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False, strict=False)]
Rise = Annotated[float, Field(gt=0, lt=1, strict=False)]


class RolloutStep(Section):
    """One share, and how long it is looked at."""

    share: Share
    """Share of the calls that the canary gets, its baseline as many; of the calls that are mirrored, for `shadow`."""
    lasts: Seconds = 600.0
    """How long the step takes at least; its verdict is given at its end, a failure at once."""
    least_calls: Annotated[int, Field(ge=2, le=10_000_000)] = 50
    """Calls of each side below which nothing is said of a measure."""


class RolloutTolerance(Section):
    """How much worse the canary may be before it counts. The chance to fail an equal one is `alpha` in all."""

    ttft_ratio: Ratio = 0.10
    """By how much longer the first token may take."""
    itl_ratio: Ratio = 0.10
    """By how much longer the following tokens may take."""
    slow_odds: Odds = 1.5
    """How many times as likely a first token may be that takes three times the usual, before the guard stops it."""
    slow_rise: Rise = 0.02
    """By how much the share of such calls may rise, at the step's end."""
    error_odds: Odds = 1.5
    """How many times as likely an error may be, before the guard stops it."""
    error_rise: Rise = 0.01
    """By how much the error rate may rise, at the step's end."""
    length_ratio: Ratio = 0.15
    """By how much answers may be longer or shorter."""
    finish_odds: Odds = 2.0
    """How many times as likely an answer cut by its length may be, either way, before the guard stops it."""
    finish_rise: Rise = 0.05
    """By how much the share of answers cut by their length may rise or fall, at the step's end."""
    probe_rise: Annotated[float, Field(ge=0, lt=1, strict=False)] = 0.0
    """Share of the quality probes that the canary may fail although the baseline passes them."""
    alpha: Annotated[float, Field(gt=0, lt=1, strict=False)] = 0.02
    """Chance at most, over all measures of a step, that a canary that is no worse than tolerated is failed."""
    confidence: Annotated[float, Field(ge=0.5, lt=1, strict=False)] = 0.95
    """How sure it must be that a measure is within its tolerance before the measure passes."""


class Rollout(Section):
    """Rollouts of `forebay apply`: engines of the new release beside the old ones, judged on real calls."""

    strategy: RolloutStrategy = "none"
    """What `apply` does where `--rollout` says nothing. `canary`: one new engine of each model that changes gets more
    and more of the calls. `blue-green`: all new engines beside the old ones, switched at once. `shadow`: copies of
    calls, whose answers are dropped. `ab`: both at a stated share until a person decides. `none`: engine by engine."""
    steps: Annotated[list[RolloutStep], Field(max_length=20)] = []
    """Shares, rising. Default: 5%, 25% and 50% for 10 minutes each; one step of 10% for 30 minutes for `shadow`, of 50%
    for an hour for `ab`. A `blue-green` rollout has none."""
    baseline: Literal["auto", "none"] = "auto"
    """Whether a fresh engine of the old release starts with the canary and is what it is compared with, as old and as
    warm. Where there is no room for one, and with `none`, the engines that serve already are."""
    header: bool = True
    """Whether `x-forebay-release: canary` sends a call to the canary, and `stable` keeps it away."""
    tenants: Annotated[list[Name], Field(max_length=1000)] = []
    """Tenants whose calls all go to the canary. They are not compared: they differ from the others."""
    tolerance: RolloutTolerance = RolloutTolerance()
    on_insufficient: Literal["wait", "hold", "fail"] = "wait"
    """What happens where a step has not shown enough: `wait` goes on until it has, `hold` waits for a person, `fail`
    takes the release back."""
    patience: Seconds = 3600.0
    """How long a step may `wait` or `hold` beyond its time; then the release is taken back."""
    keep: Seconds = 600.0
    """How long the old engines of a `blue-green` rollout stay warm after the switch, so that going back is instant."""
    promote: Literal["auto", "manual"] = "auto"
    """Whether the last step that passes puts the release in force, or waits for `forebay rollout promote`."""
    probes: Annotated[str, Field(min_length=1, max_length=4096)] | None = None
    """File of prompts that both sides are asked at the begin of each step, at temperature 0, with what the answer must
    hold. Relative to this file. Default: none."""
