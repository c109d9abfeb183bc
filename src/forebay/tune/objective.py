"""What a ladder climbs for: the load, what the answers must keep to, and what is to become greater."""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import N_, _
from forebay.tune.load.workload import Lengths

Goal = Literal["throughput", "latency"]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What the answers of a load must keep to, by percentiles; None is not asked."""

    ttft_p95_ms: float | None = None
    tpot_p95_ms: float | None = None
    e2e_p95_ms: float | None = None
    e2e_p99_ms: float | None = None


class Objective(msgspec.Struct, frozen=True, kw_only=True):
    """`throughput`: the most output tokens a second that keep `slo`. `latency`: the lowest P99 at `concurrency`.

    Loads are closed loops: a rate that the engine cannot hold would only tell how long the queue has become.
    `concurrency` is where the search for the best load begins, `most_concurrency` where it ends.
    """

    name: str
    about: str
    goal: Goal = "throughput"
    slo: Bounds = Bounds()
    input_tokens: Lengths = Lengths(tokens=512)
    output_tokens: Lengths = Lengths(tokens=128)
    shared_prefix_share: float = 0.0
    shared_prefixes: int = 1
    shared_spellings: int = 1
    repeat_share: float = 0.0
    stream: bool = True
    as_baseline: bool = False
    """Whether the answers must take no longer than the baseline's at its own best load."""
    concurrency: int = 64
    most_concurrency: int = 1024

    @property
    def longest_tokens(self) -> int:
        """Prompt and answer of the longest request."""
        return self.input_tokens.largest + self.output_tokens.largest


OBJECTIVES = {
    each.name: each
    for each in (
        Objective(
            name="chat",
            about=N_("Most tokens a second with the first token of 95 of 100 answers within 500 ms."),
            slo=Bounds(ttft_p95_ms=500.0, tpot_p95_ms=100.0),
            concurrency=64,
        ),
        Objective(
            name="batch",
            about=N_("Most tokens a second, which is the lowest cost of a token; nobody waits."),
            concurrency=192,
        ),
        Objective(
            name="low-latency",
            about=N_("The lowest P99 of 1,000 short requests at once, under 500 ms."),
            goal="latency",
            slo=Bounds(e2e_p99_ms=500.0),
            input_tokens=Lengths(tokens=64),
            output_tokens=Lengths(tokens=16),
            stream=False,
            concurrency=1000,
            most_concurrency=1000,
        ),
        Objective(
            name="mixed",
            about=N_("Most tokens a second of short and long requests together, each class within its time."),
            slo=Bounds(ttft_p95_ms=1000.0, tpot_p95_ms=100.0),
            input_tokens=Lengths(shape="empirical", tokens=512, values=(256, 256, 256, 2048)),
            output_tokens=Lengths(shape="empirical", tokens=128, values=(64, 64, 64, 256)),
        ),
        Objective(
            name="low-cost",
            about=N_("The lowest cost of a token at the latency that the baseline has."),
            as_baseline=True,
            concurrency=128,
        ),
    )
}


def objective(name: str) -> Objective:
    """By name; UsageError where there is none."""
    try:
        return OBJECTIVES[name]
    except KeyError:
        known = ", ".join(sorted(OBJECTIVES))
        raise UsageError(_("there is no objective {name}").format(name=name), fix=known) from None
