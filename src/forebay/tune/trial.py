"""What a trial has shown: the loads that a setting was put under, its score, or why it failed."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from forebay.tune.setting import Setting

Outcome = Literal["measured", "failed", "out of time"]
FailureKind = Literal["out of memory", "refused", "ended", "start too slow", "load failed", "answers differ"]


class Rung(msgspec.Struct, frozen=True, kw_only=True):
    """One load and its figures. `pressure`: the largest of measured / allowed over the bounds, 0 without any.

    `tokens_sd`: the standard deviation of the logarithm of `output_tokens_per_s` within the run. `classes`: P95 of the
    time to the first token, by the length of prompts. `failed` holds the `rejected` ones, which were refused.
    """

    concurrency: int
    requests_per_s: float
    output_tokens_per_s: float
    input_tokens_per_s: float
    ttft_p50_ms: float = 0.0
    ttft_p95_ms: float = 0.0
    tpot_p50_ms: float = 0.0
    tpot_p95_ms: float = 0.0
    e2e_mean_ms: float = 0.0
    e2e_p50_ms: float = 0.0
    e2e_p95_ms: float = 0.0
    e2e_p99_ms: float = 0.0
    answer_tokens: float = 0.0
    sent: int = 0
    failed: int = 0
    rejected: int = 0
    pressure: float = 0.0
    tokens_sd: float = 0.0
    latency_sd: float = 0.0
    counters: dict[str, float] = {}
    gauges: dict[str, float] = {}
    classes: dict[str, float] = {}
    gpu_percent: float | None = None
    gpu_power_w: float | None = None
    doubts: tuple[str, ...] = ()

    @property
    def steady_tokens_per_s(self) -> float:
        """By Little's law: the tokens that are in flight over how long an answer takes.

        Clients of a closed loop that began together read and write together, and a window that ends within their round
        counts too many tokens or too few. Where answers' lengths are unknown, or requests failed and so were not in
        flight, it is what was counted.
        """
        if not self.answer_tokens or not self.e2e_mean_ms or self.failed:
            return self.output_tokens_per_s
        return self.concurrency * self.answer_tokens * 1000 / self.e2e_mean_ms

    @property
    def keeps(self) -> bool:
        """Whether the load keeps the bounds."""
        return self.pressure <= 1.0 and not self.failed


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """Greater is better. `sd`: of its logarithm within the run; `kept`: whether some load keeps the bounds."""

    value: float
    sd: float = 0.0
    kept: bool = True
    concurrency: int = 0


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a setting cannot run; `words` are the engine's own last ones."""

    kind: FailureKind
    why: str
    words: tuple[str, ...] = ()


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What the quality gate asked and heard; `drift_nats` against the baseline, None for the baseline itself."""

    texts: tuple[str, ...] = ()
    tokens: tuple[tuple[tuple[str, float, dict[str, float]], ...], ...] = ()
    same_share: float | None = None
    drift_nats: float | None = None
    accuracy: float | None = None
    passed: bool = True
    why: str = ""


class Distance(msgspec.Struct, frozen=True, kw_only=True):
    """How far from what the hardware could do: shares of each second that memory and arithmetic must take at least."""

    bandwidth_ratio: float
    compute_ratio: float
    bytes_per_token: float
    how: str = ""

    @property
    def ratio(self) -> float:
        """The share of the roofline that is reached."""
        return max(self.bandwidth_ratio, self.compute_ratio)


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What holds the setting back, and how one knows; `weight` from 0 to 1 orders causes."""

    what: str
    weight: float
    evidence: str


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One start of a setting. `repeat` counts the starts of the same setting; `facts` are what the engine said."""

    id: int
    setting: Setting
    repeat: int
    label: str
    outcome: Outcome
    began_at: float
    start_s: float = 0.0
    whole_s: float = 0.0
    rungs: tuple[Rung, ...] = ()
    score: Score | None = None
    failure: Failure | None = None
    answers: Answers | None = None
    distance: Distance | None = None
    causes: tuple[Cause, ...] = ()
    facts: dict[str, Any] = {}

    @property
    def best(self) -> Rung | None:
        """The load that the score is of: the greatest that keeps the bounds, else the smallest."""
        if not self.rungs:
            return None
        kept = [rung for rung in self.rungs if rung.keeps]
        if not kept:
            return min(self.rungs, key=lambda rung: rung.pressure)
        return max(kept, key=lambda rung: rung.steady_tokens_per_s)

    def at(self, concurrency: int) -> Rung | None:
        """The rung of that load."""
        return next((rung for rung in self.rungs if rung.concurrency == concurrency), None)
