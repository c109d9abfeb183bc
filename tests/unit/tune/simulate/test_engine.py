"""The simulated engine against one that goes step by step and counts every block of every sequence anew."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.tune.simulate.engine import IDLE, SimEngine
from forebay.tune.simulate.job import Job
from forebay.tune.simulate.spec import EngineShape, StepTime

STEP = StepTime(fixed_s=0.01, prompt_token_s=0.0001, sequence_s=0.0003, cached_token_s=0.000001, attention_s=1e-8)


def shape(**more: Any) -> EngineShape:
    base: dict[str, Any] = {
        "step": STEP, "max_sequences": 8, "max_batched_tokens": 64, "cache_tokens": 512, "block_tokens": 4,
    }  # fmt: skip
    return EngineShape(**{**base, **more})


def run(engine: SimEngine, jobs: list[Job]) -> dict[int, tuple[float, float]]:
    """First and last token of each job, by its place in the list; memory is looked at after every event."""
    numbers = {id(job): n for n, job in enumerate(jobs)}
    coming, found = deque(jobs), {}
    while coming or engine.due != IDLE:
        if coming and coming[0].arrived_at <= engine.due:
            job = coming.popleft()
            engine.submit(job, job.arrived_at)
        else:
            now = engine.due
            for job in engine.complete():
                found[numbers[id(job)]] = (job.first_at, now)
            assert 0 <= engine.cache.used_blocks <= engine.cache.capacity_blocks
            engine.begin(now)
    assert engine.cache.used_blocks == 0
    assert engine.context_tokens == 0
    return found


class Plodder:
    """The same rules, without leaps: a step at a time, blocks by their definition. Slow, and plain to read."""

    def __init__(self, of: EngineShape) -> None:
        self.of = of
        self.now, self.preemptions, self.order = 0.0, 0, 0

    def run(self, jobs: list[Job]) -> dict[int, tuple[float, float]]:
        coming = deque(enumerate(jobs))
        # [number, job, read, to read, written, order]
        waiting: deque[list[Any]] = deque()
        running: list[list[Any]] = []
        found: dict[int, tuple[float, float]] = {}
        first: dict[int, float] = {}
        while coming or waiting or running:
            while coming and coming[0][1].arrived_at <= self.now:
                number, job = coming.popleft()
                waiting.append([number, job, 0, job.prompt, 0, 0])
            if not waiting and not running:
                self.now = coming[0][1].arrived_at
                continue
            self._step(waiting, running, first, found)
        return found

    def _held(self, running: list[list[Any]]) -> int:
        # A prompt holds the blocks of all of it from the start.
        return sum(-(-max(each[2], each[3]) // self.of.block_tokens) for each in running)

    def _step(self, waiting: Any, running: Any, first: Any, found: Any) -> None:
        decoding = [each for each in running if each[2] >= each[3]]
        capacity = self.of.cache_tokens // self.of.block_tokens
        preempted = False
        while self._held([[0, 0, each[2] + (each[2] >= each[3]), each[3]] for each in running]) > capacity:
            last = max(running, key=lambda each: each[5])
            running.remove(last)
            decoding = [each for each in decoding if each is not last]
            last[3], last[2] = last[1].prompt + last[4], 0
            waiting.appendleft(last)
            self.preemptions += 1
            preempted = True
        budget = self.of.max_batched_tokens - len(decoding)
        chunks = []
        for each in sorted((each for each in running if each[2] < each[3]), key=lambda each: each[5]):
            chunks.append((each, min(budget, each[3] - each[2])))
            budget -= chunks[-1][1]
        while not preempted and budget > 0 and waiting and len(running) < self.of.max_sequences:
            promised = self._held([[0, 0, each[2] + (each[2] >= each[3]), each[3]] for each in running])
            each = waiting[0]
            if -(-each[3] // self.of.block_tokens) > capacity - promised:
                break
            waiting.popleft()
            self.order += 1
            each[5] = self.order
            running.append(each)
            chunks.append((each, min(budget, each[3])))
            budget -= chunks[-1][1]
        step, tokens = self.of.step, sum(part for _each, part in chunks)
        self.now += (
            step.fixed_s + step.prompt_token_s * tokens + step.sequence_s * len(decoding)
            + step.cached_token_s * sum(each[2] for each in decoding)
            + step.attention_s * sum(part * (each[2] + part // 2) for each, part in chunks)
        )  # fmt: skip
        for each in decoding:
            each[2] += 1
            each[3] = each[2]
            each[4] += 1
        for each, part in chunks:
            each[2] += part
            if each[2] == each[3]:
                each[4] += 1
                first.setdefault(each[0], self.now)
        for each in [each for each in running if each[4] >= each[1].answer]:
            running.remove(each)
            found[each[0]] = (first[each[0]], self.now)


@settings(max_examples=150, deadline=None)
@given(
    calls=st.lists(
        st.tuples(st.floats(0.0001, 0.2), st.integers(1, 90), st.integers(1, 60)), min_size=1, max_size=25
    ),
    sequences=st.integers(1, 8),
    blocks=st.integers(40, 90),
)  # fmt: skip
def test_leaps_come_to_what_single_steps_do(calls: list[tuple[float, int, int]], sequences: int, blocks: int) -> None:
    of = shape(max_sequences=sequences, cache_tokens=4 * blocks, prefix_cache=False)
    at, times = 0.0, []
    for gap, _prompt, _answer in calls:
        at += gap
        times.append(at)
    made = [[Job(at, p, a) for at, (_gap, p, a) in zip(times, calls, strict=True)] for _twice in range(2)]
    engine, plodder = SimEngine(of), Plodder(of)
    ours, theirs = run(engine, made[0]), plodder.run(made[1])
    assert engine.preemptions == plodder.preemptions
    assert ours.keys() == theirs.keys()
    for number, (first, last) in ours.items():
        assert first == pytest.approx(theirs[number][0], abs=1e-6)
        assert last == pytest.approx(theirs[number][1], abs=1e-6)
