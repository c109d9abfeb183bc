"""Where simulated calls come from: a workload as `bench run` sends it, or a day with its peak."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import count

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.load.workload import Arrivals, Lengths, Step, Workload, check
from forebay.tune.simulate.job import Job

Draw = Callable[[], int]


class OpenTraffic:
    """Calls that come whether or not the engines keep up."""

    def __init__(self, load: Workload, times: Iterator[float] | None = None) -> None:
        check(load)
        self._random = random.Random(load.seed)  # noqa: S311  a simulation
        self._load = load
        self._times = times if times is not None else gaps(load.arrivals, load.longest_s, random.Random(load.seed + 1))  # noqa: S311

    def arrivals(self) -> Iterator[Job]:
        load = self._load
        prompt, answer = drawn(load.input_tokens, self._random), drawn(load.output_tokens, self._random)
        share, most = load.shared_prefix_share, load.requests
        for number, at in enumerate(self._times):
            if number == most:
                return
            tokens = prompt()
            job = Job(at, tokens, answer())
            if share:
                job.group, job.shared = 1, int(tokens * share)
            yield job

    def after(self, job: Job, now: float) -> Job | None:
        return None


class ClosedTraffic:
    """A number of callers, each of whom asks again as soon as it was answered."""

    def __init__(self, load: Workload) -> None:
        check(load)
        self._load = load
        chance = random.Random(load.seed)  # noqa: S311  a simulation
        self._prompt, self._answer = drawn(load.input_tokens, chance), drawn(load.output_tokens, chance)
        self._left = load.requests if load.requests is not None else 10**12

    def arrivals(self) -> Iterator[Job]:
        for _caller in range(min(self._load.arrivals.concurrency, self._left)):
            yield self._job(0.0)

    def after(self, job: Job, now: float) -> Job | None:
        return self._job(now) if self._left > 0 and now < self._load.longest_s else None

    def _job(self, at: float) -> Job:
        self._left -= 1
        tokens = self._prompt()
        job = Job(at, tokens, self._answer())
        if self._load.shared_prefix_share:
            job.group, job.shared = 1, int(tokens * self._load.shared_prefix_share)
        return job


class Conversations:
    """Sessions that come at a rate, each of `turns` calls that hold what was said before."""

    def __init__(self, load: Workload) -> None:
        check(load)
        self._load = load
        chance = random.Random(load.seed)  # noqa: S311  a simulation
        self._prompt, self._answer = drawn(load.input_tokens, chance), drawn(load.output_tokens, chance)
        self._times = gaps(load.arrivals, load.longest_s, random.Random(load.seed + 1))  # noqa: S311
        self._turns: dict[int, int] = {}
        self._sessions = count(1)

    def arrivals(self) -> Iterator[Job]:
        for at in self._times:
            session = next(self._sessions)
            if self._load.requests is not None and session * self._load.turns > self._load.requests:
                return
            self._turns[session] = 1
            yield self._job(at, session, 0)

    def after(self, job: Job, now: float) -> Job | None:
        turn = self._turns[job.group]
        if turn >= self._load.turns:
            del self._turns[job.group]
            return None
        self._turns[job.group] = turn + 1
        return self._job(now + self._load.think_s, job.group, job.prompt + job.answer)

    def _job(self, at: float, session: int, said: int) -> Job:
        job = Job(at, said + self._prompt(), self._answer(), session, said)
        job.keeps = self._turns[session] < self._load.turns
        job.session = session
        return job


def traffic(load: Workload) -> OpenTraffic | ClosedTraffic | Conversations:
    """The calls of a workload; UsageError where it asks for nothing, or for what is not simulated."""
    if load.arrivals.shape == "closed":
        return ClosedTraffic(load)
    if load.arrivals.shape == "trace":
        what = _("a trace is played against engines, not simulated")
        raise UsageError(what, fix=_("`forebay bench run` plays it; here state a rate and lengths"))
    return Conversations(load) if load.turns > 1 else OpenTraffic(load)


def drawn(lengths: Lengths, chance: random.Random) -> Draw:
    """Lengths, one after another."""
    least, most, shape = lengths.least, lengths.most, lengths.shape
    if shape == "fixed":
        return lambda: lengths.tokens
    if shape == "uniform":
        return lambda: int(least + chance.random() * (most - least + 1))
    if shape == "empirical":
        return lambda: chance.choice(lengths.values)
    if shape == "normal":
        return lambda: min(most, max(least, round(chance.gauss(lengths.tokens, lengths.deviation))))
    middle = math.log(lengths.tokens)
    return lambda: min(most, max(least, round(math.exp(chance.gauss(middle, lengths.deviation)))))


def gaps(come: Arrivals, longest_s: float, chance: random.Random) -> Iterator[float]:
    """When calls come, in seconds from the start."""
    if come.shape == "steps":
        yield from _steps(come.steps, chance)
    elif come.shape == "ramp":
        last = come.rate_rps if come.to_rate_rps is None else come.to_rate_rps
        yield from thinned(
            lambda at: come.rate_rps + (last - come.rate_rps) * at / longest_s,
            max(come.rate_rps, last),
            longest_s,
            chance,
        )
    else:
        at, mean_s = 0.0, 1 / come.rate_rps
        if come.shape == "constant":
            draw: Callable[[], float] = lambda: mean_s  # noqa: E731
        elif come.shape == "poisson":
            draw = lambda: chance.expovariate(come.rate_rps)  # noqa: E731
        else:
            draw = lambda: chance.gammavariate(come.burstiness, mean_s / come.burstiness)  # noqa: E731
        while (at := at + draw()) < longest_s:
            yield at


def thinned(rate: Callable[[float], float], most: float, until_s: float, chance: random.Random) -> Iterator[float]:
    """A Poisson stream whose rate changes: one at the highest rate, of which each call stays with rate / highest."""
    at = 0.0
    while (at := at + chance.expovariate(most)) < until_s:
        if chance.random() * most < rate(at):
            yield at


def _steps(steps: tuple[Step, ...], chance: random.Random) -> Iterator[float]:
    start = 0.0
    for step in steps:
        end, at = start + step.duration_s, start
        while (at := at + chance.expovariate(step.rate_rps)) < end:
            yield at
        start = end
