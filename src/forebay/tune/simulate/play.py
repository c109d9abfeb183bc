"""Plays calls through a gateway and its engines on a clock of its own. The same input always gives the same outcome.

Routing is the gateway's own code. A call that finds no place waits in one line, as in the gateway; a full line refuses,
and who has waited too long leaves. Calls whose engine dies before their first token are asked again elsewhere.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

import msgspec

from forebay.gateway.routing import Needs
from forebay.gateway.routing.candidate import Candidate
from forebay.gateway.routing.choice import Group, plan_of
from forebay.gateway.routing.want import Want
from forebay.gateway.snapshot import EngineRef
from forebay.tune.load.workload import Slo
from forebay.tune.simulate.engine import IDLE, SimEngine
from forebay.tune.simulate.job import Job
from forebay.tune.simulate.outcome import EngineUse, Outcome, Slice, Tally, spread
from forebay.tune.simulate.spec import Fleet

_NOBODY: set[str] = set()
_UNBOUNDED = 1_000_000_000
_WANT_BLOCK_TOKENS = 64
# What an event is about where it is not the end of an engine's step.
_COMES, _READ, _GOES, _BACK = -1, -2, -3, -4


class Traffic(Protocol):
    """Where calls come from."""

    def arrivals(self) -> Iterator[Job]:
        """Calls that come whatever happens, in the order in which they do."""

    def after(self, job: Job, now: float) -> Job | None:
        """The call that follows one that ended, answered or not; it may come later than `now`."""


def play(
    fleet: Fleet, traffic: Traffic, *, until_s: float = IDLE, slo: Slo | None = None, warm_up_s: float = 0.0,
    slice_s: float = IDLE,
) -> Outcome:  # fmt: skip
    """Play until no call is left, or until `until_s`, when calls may still be in flight."""
    stage = Stage(fleet, traffic, slo, warm_up_s, slice_s)
    stage.run(until_s)
    return stage.outcome()


class Stage:
    """A simulation under way; `run` may be called again to go on."""

    def __init__(self, fleet: Fleet, traffic: Traffic, slo: Slo | None, warm_up_s: float, slice_s: float) -> None:
        self.fleet = fleet
        self.now = 0.0
        self.engines = [SimEngine(shape) for shape in fleet.engines]
        self.calls = [0] * len(self.engines)
        self.line: deque[Job] = deque()
        self._candidates = tuple(_candidate(n, shape.max_outstanding) for n, shape in enumerate(fleet.engines))
        self._numbers = {each.ref.name: n for n, each in enumerate(self._candidates)}
        plan = plan_of(fleet.gateway.routing)
        self._group: Group[Candidate] = Group(plan)
        self._group.update(self._candidates, plan)
        self._needs = plan.needs
        self._traffic = traffic
        self._coming = traffic.arrivals()
        self._next = next(self._coming, None)
        self._slo = slo
        self._warm_up_s = warm_up_s
        self._slice_s = slice_s
        self._tallies: dict[int, Tally] = {}
        self._warm = Tally(slo)
        self._all_lost: Counter[str] = Counter()
        self._tokens = [0, 0]
        self._scheduled = [-1] * len(self.engines)
        self._order = count()
        self._front_free = [0.0] * len(self.engines)
        self._gone: set[int] = set()
        # (time, order, engine, its version), or one of the kinds above with its job or engine.
        self._events: list[tuple[float, int, int, int | Job]] = []
        for outage in fleet.outages:
            heappush(self._events, (outage.from_s, next(self._order), _GOES, outage.engine))
            if outage.until_s != IDLE:
                heappush(self._events, (outage.until_s, next(self._order), _BACK, outage.engine))

    def run(self, until_s: float = IDLE) -> None:
        """Go on until then, or until nothing is left to happen."""
        events = self._events
        while True:
            job = self._next
            at = events[0][0] if events else IDLE
            if job is not None and job.arrived_at <= at:
                if job.arrived_at > until_s:
                    break
                self.now = job.arrived_at
                self._next = next(self._coming, None)
                self._arrive(job)
            elif not events or at > until_s:
                break
            else:
                self.now = at
                _at, _order, number, what = heappop(events)
                if number >= 0:
                    if self.engines[number].version == what:
                        self._step(number)
                else:
                    self._other(number, what)
        if until_s != IDLE:
            self.now = until_s

    @property
    def completed(self) -> int:
        """Calls that were answered so far."""
        return self._warm.completed + sum(each.completed for each in self._tallies.values())

    @property
    def held(self) -> int:
        """Calls that wait or are with an engine."""
        return len(self.line) + sum(each.outstanding for each in self._candidates)

    def set_routable(self, number: int, routable: bool) -> None:
        """Let an engine take calls or none; what it holds goes on."""
        each = self._candidates[number]
        each.ref = msgspec.structs.replace(each.ref, routable=routable)
        if routable:
            self._drain_line()

    def outcome(self) -> Outcome:
        """What was seen so far."""
        tallies = [self._tallies[index] for index in sorted(self._tallies)]
        everything = [*tallies, self._warm]
        counted_s = max(self.now - self._warm_up_s, 1e-9)
        good, completed = sum(each.good for each in tallies), sum(each.completed for each in tallies)
        lost = sum(each.lost.total() for each in tallies)
        judged = self._slo is not None
        return Outcome(
            sent=sum(each.sent for each in everything),
            completed=sum(each.completed for each in everything),
            good=good,
            rejected={name: n for name, n in sorted(self._all_lost.items()) if name != "cut"},
            failed={name: n for name, n in self._all_lost.items() if name == "cut"},
            in_flight=self.held,
            simulated_s=self.now,
            input_tokens=self._tokens[0],
            output_tokens=self._tokens[1],
            requests_per_s=completed / counted_s,
            output_tokens_per_s=self._tokens[1] / max(self.now, 1e-9),
            goodput_rps=good / counted_s if judged else None,
            attained_ratio=good / (completed + lost) if judged and completed + lost else None,
            ttft=spread([each.ttft for each in tallies]),
            tpot=spread([each.tpot for each in tallies]),
            e2e=spread([each.e2e for each in tallies]),
            waited=spread([each.waited for each in tallies]),
            slices=self._slices(judged),
            engines=tuple(self._use(n) for n in range(len(self.engines))),
        )  # fmt: skip

    def _slices(self, judged: bool) -> tuple[Slice, ...]:
        if self._slice_s == IDLE:
            return ()
        return tuple(self._tallies[n].slice(n * self._slice_s, self._slice_s, judged) for n in sorted(self._tallies))

    def _arrive(self, job: Job) -> None:
        self._tally(job).sent += 1
        self._enter(job)

    def _enter(self, job: Job) -> None:
        """To an engine, into the line, or away."""
        if not any(each.fits(job) for each in self.engines):
            self._lose(job, "too_long")
        elif (self.line or not self._place(job)) and not self._wait(job):
            self._lose(job, "queue_full")

    def _wait(self, job: Job) -> bool:
        line, longest_s = self.line, self.fleet.gateway.queue_wait_s
        while line and self.now - line[0].arrived_at > longest_s:
            self._lose(line.popleft(), "queue_timeout")
        if len(line) >= self.fleet.gateway.queue_calls:
            return False
        line.append(job)
        return True

    def _place(self, job: Job) -> bool:
        if self._needs:
            job.want = self._wanted(job)
        candidate = self._group.choose(job.want, self.now, _NOBODY)
        if candidate is None:
            return False
        candidate.took(job.want)
        number = job.engine = self._numbers[candidate.ref.name]
        job.entered_at = self.now
        front_s = self.fleet.engines[number].step.front_s
        if front_s:
            self._front_free[number] = max(self._front_free[number], self.now) + front_s
            heappush(self._events, (self._front_free[number], next(self._order), _READ, job))
        else:
            self._submit(job, number)
        return True

    def _submit(self, job: Job, number: int) -> None:
        engine = self.engines[number]
        engine.submit(job, self.now)
        if engine.version != self._scheduled[number]:
            self._schedule(number, engine)

    def _schedule(self, number: int, engine: SimEngine) -> None:
        self._scheduled[number] = engine.version
        if engine.due != IDLE:
            heappush(self._events, (engine.due, next(self._order), number, engine.version))

    def _step(self, number: int) -> None:
        engine = self.engines[number]
        done = engine.complete()
        for job in done:
            self._settle(job, number)
        if done and self.line:
            self._drain_line()
        engine.begin(self.now)
        self._schedule(number, engine)

    def _settle(self, job: Job, number: int) -> None:
        self._candidates[number].gave_back(job.want)
        self.calls[number] += 1
        self._tokens[0] += job.prompt
        self._tokens[1] += job.answer
        self._tally(job).done(job, self.now, self.engines[number].shape.step.call_s)
        if self._needs & Needs.TIMES:
            self._candidates[number].first_token(job.first_at - job.arrived_at, self.now)
        self._follow(job)

    def _follow(self, job: Job) -> None:
        following = self._traffic.after(job, self.now)
        if following is not None:
            heappush(self._events, (following.arrived_at, next(self._order), _COMES, following))

    def _drain_line(self) -> None:
        line, longest_s = self.line, self.fleet.gateway.queue_wait_s
        while line:
            if self.now - line[0].arrived_at > longest_s:
                self._lose(line.popleft(), "queue_timeout")
            elif self._place(line[0]):
                line.popleft()
            else:
                return

    def _lose(self, job: Job, why: str) -> None:
        self._tally(job).lost[why] += 1
        self._all_lost[why] += 1
        self._follow(job)

    def _other(self, kind: int, what: int | Job) -> None:
        """A call that comes later than others, or an engine that goes or comes back."""
        if isinstance(what, Job):
            if kind == _COMES:
                self._arrive(what)
            elif what.engine in self._gone:
                self._candidates[what.engine].gave_back(what.want)
                self._enter(what)
            else:
                self._submit(what, what.engine)
        elif kind == _BACK:
            self._gone.discard(what)
            self.set_routable(what, True)
        else:
            self._go(what)

    def _go(self, number: int) -> None:
        """An engine dies. What it had not yet answered anything of is asked again."""
        self._gone.add(number)
        self.set_routable(number, False)
        lost = self.engines[number].lose()
        for job in lost:
            self._candidates[number].gave_back(job.want)
        for job in lost:
            if job.first_at < 0:
                self._enter(job)
            else:
                self._lose(job, "cut")

    def _tally(self, job: Job) -> Tally:
        if job.arrived_at < self._warm_up_s:
            return self._warm
        index = int(job.arrived_at / self._slice_s)
        found = self._tallies.get(index)
        if found is None:
            found = self._tallies[index] = Tally(self._slo)
        return found

    def _wanted(self, job: Job) -> Want:
        blocks: tuple[int, ...] = ()
        if self._needs & Needs.BLOCKS:
            shared = job.shared // _WANT_BLOCK_TOKENS if job.group else 0
            own = job.prompt // _WANT_BLOCK_TOKENS - shared
            blocks = tuple(hash((job.group, n)) for n in range(shared)) + tuple(
                hash((job.arrived_at, n)) for n in range(own)
            )
        return Want(tokens=job.prompt + job.answer, blocks=blocks, session=job.session)

    def _use(self, number: int) -> EngineUse:
        engine = self.engines[number]
        return EngineUse(
            calls=self.calls[number],
            busy_ratio=engine.busy_s / self.now if self.now else 0.0,
            sequences=engine.sequence_s / engine.busy_s if engine.busy_s else 0.0,
            steps=engine.steps,
            cache_peak_ratio=engine.cache.peak_blocks / engine.cache.capacity_blocks,
            preemptions=engine.preemptions,
            prefix_hit_tokens=engine.cache.hit_tokens,
        )


def _candidate(number: int, max_outstanding: int) -> Candidate:
    return Candidate(
        EngineRef(
            name=f"e{number}", model="m", host="", port=0, kind="vllm", max_outstanding=max_outstanding or _UNBOUNDED,
            routable=True,
        )
    )  # fmt: skip
