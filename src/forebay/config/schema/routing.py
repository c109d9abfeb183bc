"""Which engine of a model takes a call, and when an engine is left alone."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from forebay.config.schema.base import Seconds, Section

ScorerName = Literal[
    "least_loaded", "least_tokens", "round_robin", "prefix", "session", "latency", "adapters", "cost"
]  # fmt: skip
PickerName = Literal["best", "power_of_two", "weighted", "turn"]
Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]


class Routing(Section):
    """Scores each engine that has a place, then picks one. Without it, `gateway.routing` alone scores."""

    scorers: dict[ScorerName, Weight] = {}
    """Policies and how much each counts; every policy gives an engine 0 to 1. `prefix` knows what each engine was sent
    and `session` keeps calls of one session (`x-session-id`, `prompt_cache_key`, `user`) together; `least_tokens`
    counts tokens before an engine, `least_loaded` the share of its places taken, `latency` its time to first token,
    `cost` its price; `adapters` prefers engines that were sent the same adapter lately; `round_robin` takes turns."""
    pick: PickerName = "best"
    """How one is taken: the `best`, the better of two drawn by lot (`power_of_two`), by the engines' weights
    (`weighted`, exact over time; a call with `x-split-by: request-id` or `session` always goes the same way), or one
    after another (`turn`). The last two look at no scores."""
    imbalance: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] = 1.5
    """How many times its fair share of the calls in flight an engine may hold because it scores best, so that one hot
    prefix, session or price takes no engine down."""


class Breaker(Section):
    """Ejects an engine whose calls fail: answers of 500 and above, resets, timeouts, cut streams. Client errors and
    clients that leave never count. It is asked again by one call at a time."""

    enabled: bool = True
    """Whether engines are ejected at all."""
    window: Seconds = 10.0
    """How far back calls count."""
    failures: Annotated[int, Field(ge=1, le=1_000_000)] = 5
    """Failures within the window below which nothing happens."""
    failure_ratio: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 0.5
    """Share of its calls within the window that must have failed."""
    open: Seconds = 5.0
    """How long it is left alone at first; twice as long after each probe that fails."""
    longest: Seconds = 60.0
    """How long it is left alone at most."""
    max_ejected_ratio: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = 0.5
    """Share of a model's engines that may be ejected at once; one of several always may, the last never."""
