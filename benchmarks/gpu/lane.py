"""A ladder's journal as the page about it reads it: starts of baseline and winner, and every step between."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import msgspec

from forebay.tune.journal import NAME, Began, Decided, Done, read_events
from forebay.tune.setting import Setting
from forebay.tune.trial import Rung, Trial


class Lane(msgspec.Struct, frozen=True):
    """One ladder."""

    began: Began
    trials: tuple[Trial, ...]
    decisions: tuple[Decided, ...]

    @property
    def winner(self) -> Setting:
        """What stood after the last decision."""
        return self.decisions[-1].present if self.decisions else self.began.baseline

    @property
    def confirmation(self) -> Decided | None:
        """What new starts of baseline and winner said."""
        return next((each for each in reversed(self.decisions) if each.stage == "confirmation"), None)

    def starts(self, setting: Setting) -> tuple[Trial, ...]:
        """All starts of a setting that were measured."""
        return tuple(trial for trial in self.trials if trial.setting == setting and trial.score is not None)

    def verdict(self, trial: Trial) -> str:
        """What was decided on it."""
        if trial.failure is not None:
            return f"{trial.failure.kind}: {trial.failure.why.splitlines()[0][:90]}"
        event = next((each for each in self.decisions if each.trial == trial.id), None)
        if event is None:
            return ""
        if event.gain is None or event.low is None or event.high is None:
            return event.verdict
        return f"{event.verdict} {event.gain - 1:+.0%} ({event.low - 1:+.0%} to {event.high - 1:+.0%})"


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """Means over starts of one setting, at one load or at each one's best."""

    starts: int
    in_flight: float
    tokens_per_s: float
    requests_per_s: float
    ttft_p95_ms: float
    e2e_p50_ms: float
    e2e_p95_ms: float
    e2e_p99_ms: float


def lane_of(folder: Path) -> Lane | None:
    """The ladder below the folder of a lane; None where it has no journal with a trial."""
    path = folder / "ladder" / NAME
    if not path.exists():
        return None
    content = path.read_bytes()
    events = read_events(content[: content.rfind(b"\n") + 1], path)
    began = next((event for event in events if isinstance(event, Began)), None)
    trials = tuple(event.trial for event in events if isinstance(event, Done))
    if began is None or not trials:
        return None
    return Lane(began, trials, tuple(event for event in events if isinstance(event, Decided)))


def figures(trials: Sequence[Trial], in_flight: int | None = None) -> Figures | None:
    """At the best load that each start kept its bounds under, or at the one that is named."""
    rungs = [trial.best if in_flight is None else trial.at(in_flight) for trial in trials]
    return mean([rung for rung in rungs if rung is not None])


def mean(rungs: Sequence[Rung]) -> Figures | None:
    """None of nothing."""
    if not rungs:
        return None
    return Figures(
        starts=len(rungs),
        in_flight=fmean(rung.concurrency for rung in rungs),
        tokens_per_s=fmean(rung.steady_tokens_per_s for rung in rungs),
        requests_per_s=fmean(rung.requests_per_s for rung in rungs),
        ttft_p95_ms=fmean(rung.ttft_p95_ms for rung in rungs),
        e2e_p50_ms=fmean(rung.e2e_p50_ms for rung in rungs),
        e2e_p95_ms=fmean(rung.e2e_p95_ms for rung in rungs),
        e2e_p99_ms=fmean(rung.e2e_p99_ms for rung in rungs),
    )
