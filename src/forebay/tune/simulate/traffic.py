"""Where simulated calls come from: a workload as `bench run` sends it, or a day with its peak."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from random import Random

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.tune.load.arrivals import starts
from forebay.tune.load.lengths import draw
from forebay.tune.load.workload import Workload, check
from forebay.tune.simulate.job import Job


class OpenTraffic:
    """Calls that come whether or not the engines keep up."""

    def __init__(self, load: Workload) -> None:
        check(load)
        self._load = load
        self._chance, self._times = _two(load.seed)

    def arrivals(self) -> Iterator[Job]:
        """At the starts that `bench run` would intend."""
        load, chance = self._load, self._chance
        for at in starts(load, self._times):
            yield _job(load, at, chance)

    def after(self, job: Job, now: float) -> Job | None:
        """Nobody waits for an answer before asking again."""
        return None


class ClosedTraffic:
    """A number of callers, each of whom asks again as soon as it was answered."""

    def __init__(self, load: Workload) -> None:
        check(load)
        self._load = load
        self._chance, _times = _two(load.seed)
        self._left = load.requests if load.requests is not None else 10**12

    def arrivals(self) -> Iterator[Job]:
        """Everybody's first call."""
        come = self._load.arrivals
        for caller in range(min(come.concurrency, self._left)):
            yield self._another(come.spread_s * caller / come.concurrency)

    def after(self, job: Job, now: float) -> Job | None:
        """The same caller's next."""
        return self._another(now) if self._left > 0 and now < self._load.longest_s else None

    def _another(self, at: float) -> Job:
        self._left -= 1
        return _job(self._load, at, self._chance)


class Conversations:
    """Sessions that come at a rate, each of `turns` calls that hold what was said before."""

    def __init__(self, load: Workload) -> None:
        check(load)
        self._load = load
        self._chance, self._times = _two(load.seed)
        self._turns: dict[int, int] = {}
        self._sessions = count(1)

    def arrivals(self) -> Iterator[Job]:
        """The first call of each session."""
        for at in starts(self._load, self._times):
            session = next(self._sessions)
            self._turns[session] = 1
            yield self._turn(at, session, 0)

    def after(self, job: Job, now: float) -> Job | None:
        """The session's next call, until it had its turns."""
        turn = self._turns[job.group]
        if turn >= self._load.turns:
            del self._turns[job.group]
            return None
        self._turns[job.group] = turn + 1
        return self._turn(now + self._load.think_s, job.group, job.prompt + job.answer)

    def _turn(self, at: float, session: int, said: int) -> Job:
        load = self._load
        prompt = said + draw(load.input_tokens, self._chance)
        job = Job(at, prompt, draw(load.output_tokens, self._chance), session, said)
        job.keeps = self._turns[session] < load.turns
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


def _two(seed: int) -> tuple[Random, Random]:
    """What lengths and times are drawn with: one of them may ask for more without moving the other."""
    return Random(seed), Random(f"{seed} times")


def _job(load: Workload, at: float, chance: Random) -> Job:
    prompt = draw(load.input_tokens, chance)
    job = Job(at, prompt, draw(load.output_tokens, chance))
    if load.shared_prefix_share:
        job.group, job.shared = 1, int(prompt * load.shared_prefix_share)
    return job
