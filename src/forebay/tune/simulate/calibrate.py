"""Finds an engine's step time in a run that was measured: one equation for each answer.

While an answer is written the engine steps without a pause, one token of this answer a step. So the time from its first
token to its last is the fixed time of its steps, plus what all prompts, sequences and cached tokens in them cost; and
how many of those there were in between is known from when the other answers began and ended.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from statistics import median

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.report.measured import Measured
from forebay.tune.simulate.least_squares import fit
from forebay.tune.simulate.spec import StepTime

_FEWEST = 20
_ROUNDS = 4


class Seen(msgspec.Struct, frozen=True):
    """One answer: when it was asked for, began and ended, in seconds, and its tokens. `read`: not found in a cache."""

    start_s: float
    first_s: float
    end_s: float
    prompt: int
    answer: int
    read: float


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """A step time and where it comes from. `residual_ratio`: median of |equation - time| / time.

    `together`: sequences that ran at once in the calmest and the busiest tenth; if they hardly differ, what a sequence
    costs cannot be told from what a step costs, and other loads are guesses.
    """

    step: StepTime
    answers: int
    residual_ratio: float
    together: tuple[float, float]
    measured_at: tuple[float, ...]


def calibrate(runs: Sequence[Measured], engines: int = 1) -> Calibration:
    """The step time of the engines behind `runs`, which shared the load evenly; UsageError where too few were seen."""
    return learn([answers(run) for run in runs], engines, tuple(run.started_at for run in runs))


def learn(every: Sequence[list[Seen]], engines: int, measured_at: tuple[float, ...]) -> Calibration:
    """The step time behind answers that were seen, a list for each time or engine, ordered by their start."""
    found, rows, targets, together = [0.0] * 5, list[list[float]](), list[float](), list[float]()
    for _round in range(_ROUNDS):
        rows, targets, together = [], [], []
        for seen in every:
            _equations(seen, engines, found[1], rows, targets, together)
        if len(rows) < _FEWEST:
            what = _("{n} answers are too few to find an engine's speed in").format(n=len(rows))
            raise UsageError(
                what, fix=_("Measure some hundred streamed calls with `forebay bench run`"), code="too_few"
            )
        for each in (alone for seen in every for alone in _alone(seen)):
            # One step for the whole prompt, and what a call costs beside it.
            rows.append([1.0, each.read, 0.0, 0.0, 1.0])
            targets.append(each.first_s - each.start_s)
        # Errors count in relation to what is expected, not to what was seen: the latter prefers to be too fast.
        expected = [_dot(row, found) or target for row, target in zip(rows, targets, strict=True)]
        scaled = [[value / scale for value in row] for row, scale in zip(rows, expected, strict=True)]
        found = fit(scaled, [target / scale for target, scale in zip(targets, expected, strict=True)])
    off = [abs(_dot(row, found) / target - 1) for row, target in zip(rows, targets, strict=True)]
    together.sort()
    return Calibration(
        step=StepTime(
            fixed_s=found[0],
            prompt_token_s=found[1],
            sequence_s=found[2],
            cached_token_s=found[3],
            call_s=found[4],
        ),
        answers=len(together),
        residual_ratio=median(off),
        together=(together[len(together) // 10], together[len(together) * 9 // 10]),
        measured_at=measured_at,
    )


def answers(run: Measured) -> list[Seen]:
    """The good answers of a run, in the order in which they were asked for; UsageError where it does not hold them."""
    columns = run.per_request
    if columns is None:
        what = _("the result holds no single calls, only what they came to")
        raise UsageError(what, fix=_("Measure with `forebay bench run`, which keeps them"), code="no_columns")
    hit = _hit_ratio(run)
    found = []
    for start, ttft, e2e, prompt, answer, status in zip(
        columns.start_s, columns.ttft_ms, columns.e2e_ms, columns.input_tokens, columns.output_tokens, columns.status,
        strict=True,
    ):  # fmt: skip
        if not status and ttft is not None and e2e is not None and e2e >= ttft > 0:
            found.append(Seen(start, start + ttft / 1000, start + e2e / 1000, prompt, answer, prompt * (1 - hit)))
    return sorted(found, key=lambda each: each.start_s)


def _hit_ratio(run: Measured) -> float:
    """The share of prompts that lay in the engine's cache, by its own counters."""
    counters = run.engine.counters if run.engine is not None else {}
    asked = counters.get("vllm:prefix_cache_queries", 0.0) or counters.get("vllm:prefix_cache_queries_total", 0.0)
    hits = counters.get("vllm:prefix_cache_hits", 0.0) or counters.get("vllm:prefix_cache_hits_total", 0.0)
    return min(1.0, hits / asked) if asked else 0.0


def _equations(
    seen: list[Seen],
    engines: int,
    prompt_token_s: float,
    rows: list[list[float]],
    targets: list[float],
    together: list[float],
) -> None:
    sums = _Sums(seen, prompt_token_s / engines)
    for each in seen:
        length_s = each.end_s - each.first_s
        if each.answer < 4 or length_s <= 0:
            continue
        prompts, tokens, cached = sums.between(each.first_s, each.end_s)
        rows.append([each.answer - 1.0, prompts / engines, tokens / engines, cached / engines, 0.0])
        targets.append(length_s)
        together.append(tokens / engines / (each.answer - 1))


def _dot(row: list[float], x: list[float]) -> float:
    return sum(a * b for a, b in zip(row, x, strict=True))


def _alone(seen: list[Seen]) -> list[Seen]:
    """Answers that were asked for while nobody else was served, and alone until their first token."""
    found, last_end, following = [], 0.0, [each.start_s for each in seen[1:]] + [float("inf")]
    for each, next_start in zip(seen, following, strict=True):
        if each.start_s >= last_end and next_start >= each.first_s:
            found.append(each)
        last_end = max(last_end, each.end_s)
    return found


class _Sums:
    """Prompt tokens read, tokens written, and cached tokens that were read for them, up to any moment.

    An answer's tokens come evenly between its first and its last on a clock that stands still while prompts are read:
    on the wall's clock a window with many prompts would seem to hold more tokens than it does, and what prompts cost
    would be charged to sequences.
    """

    def __init__(self, seen: list[Seen], prompt_token_s: float) -> None:
        self._prompt_token_s = prompt_token_s
        firsts = sorted((each.first_s, each.read) for each in seen)
        self._firsts = [at for at, _tokens in firsts]
        self._prompts = [0.0, *accumulate(tokens for _at, tokens in firsts)]
        changes = []
        for each in seen:
            begin, end = self._clock(each.first_s), self._clock(each.end_s)
            if each.answer > 1 and end > begin:
                rate = (each.answer - 1) / (end - begin)
                # The k-th token reads prompt + k: a rate that grows with time.
                start = rate * (each.prompt - rate * begin)
                changes.append((begin, rate, start, rate * rate))
                changes.append((end, -rate, -start, -rate * rate))
        changes.sort()
        self._at: list[float] = []
        self._states: list[tuple[float, float, float, float, float]] = []
        written = read = rate = level = slope = before = 0.0
        for at, more, start, square in changes:
            written += rate * (at - before)
            read += level * (at - before) + slope * (at * at - before * before) / 2
            rate, level, slope, before = rate + more, level + start, slope + square, at
            self._at.append(at)
            self._states.append((written, read, rate, level, slope))

    def between(self, from_s: float, to_s: float) -> tuple[float, float, float]:
        """Prompt tokens, tokens written, and cached tokens read after `from_s` until `to_s`."""
        after, before = self._until(self._clock(to_s)), self._until(self._clock(from_s))
        return self._read(to_s) - self._read(from_s), after[0] - before[0], after[1] - before[1]

    def _read(self, at: float) -> float:
        return self._prompts[bisect_right(self._firsts, at)]

    def _clock(self, at: float) -> float:
        return at - self._prompt_token_s * self._read(at)

    def _until(self, at: float) -> tuple[float, float]:
        index = bisect_right(self._at, at) - 1
        if index < 0:
            return 0.0, 0.0
        written, read, rate, level, slope = self._states[index]
        since = self._at[index]
        return written + rate * (at - since), read + level * (at - since) + slope * (at * at - since * since) / 2
