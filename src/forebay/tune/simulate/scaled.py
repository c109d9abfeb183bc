"""Plays recorded traffic through copies that come and go by rules: what they would have done, and at what price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from forebay.core.errors import UsageError
from forebay.messages import _
from forebay.scale.policy import Load, Rules, Scaler
from forebay.scale.traffic import Arrived
from forebay.tune.load.workload import Slo
from forebay.tune.simulate.calibrate import Calibration, Seen, learn
from forebay.tune.simulate.job import Job
from forebay.tune.simulate.outcome import Outcome
from forebay.tune.simulate.play import Stage
from forebay.tune.simulate.spec import EngineShape, Fleet, Gateway

_LOOK_S = 1.0
_HOUR_S = 3600.0
_LEARNT_FROM = 20_000
"""Of the last calls of each engine so many teach how fast it is."""


class Turned(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the number of copies, in seconds since the epoch."""

    at: float
    copies: int
    why: str


class Scaled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `copy_hours`: copies that ran or were starting, over time; `most_copies` at any moment."""

    outcome: Outcome
    copy_hours: float
    most_copies: int
    turns: tuple[Turned, ...] = ()


class Recorded:
    """Calls as they came; nobody asks again."""

    def __init__(self, calls: Sequence[Arrived]) -> None:
        self._calls = calls

    def arrivals(self) -> Iterator[Job]:
        begin_s = self._calls[0].at_s
        for each in self._calls:
            yield Job(each.at_s - begin_s, each.prompt, each.answer)

    def after(self, job: Job, now: float) -> Job | None:
        return None


def speed_of(calls: Sequence[Arrived]) -> Calibration:
    """How fast engines were, by their own calls; UsageError where too few of them were streams."""
    by_engine: dict[str, list[Seen]] = {}
    for each in calls:
        if 0 < each.first_s <= each.took_s:
            seen = Seen(
                each.at_s, each.at_s + each.first_s, each.at_s + each.took_s, each.prompt, each.answer, each.prompt
            )
            by_engine.setdefault(each.engine, []).append(seen)
    return learn([seen[-_LEARNT_FROM:] for seen in by_engine.values()], 1, (calls[0].at_s,) if calls else ())


def fixed(calls: Sequence[Arrived], shape: EngineShape, copies: int, gateway: Gateway, slo: Slo) -> Scaled:
    """The same calls with a number of copies that stays."""
    stage = _stage(calls, shape, copies, gateway, slo)
    stage.run()
    return Scaled(outcome=stage.outcome(), copy_hours=copies * stage.now / _HOUR_S, most_copies=copies)


def scaled(
    calls: Sequence[Arrived], shape: EngineShape, rules: Rules, start_s: float, *, gateway: Gateway, slo: Slo
) -> Scaled:
    """The calls with copies that come `start_s` after they are wanted, and go when their calls have ended."""
    stage = _stage(calls, shape, rules.most, gateway, slo)
    begin_s, last_s = calls[0].at_s, calls[-1].at_s - calls[0].at_s
    scaler = Scaler(rules, rules.floor(begin_s), 0.0)
    fleet = _Copies(stage, scaler.copies, start_s)
    turns = [Turned(at=begin_s, copies=scaler.copies, why=scaler.why)]
    at_s = 0.0
    while at_s < last_s or stage.held:
        at_s += _LOOK_S
        stage.run(at_s)
        fleet.settle(at_s)
        load = Load(at_s=at_s, wall_s=begin_s + at_s, calls=stage.held, ready=fleet.ready)
        if scaler.decide(load):
            turns.append(Turned(at=begin_s + at_s, copies=scaler.copies, why=scaler.why))
            fleet.want(scaler.copies, at_s)
        if at_s > last_s + _HOUR_S:
            raise UsageError(_("the engine is too slow for what was recorded"), fix=_("Name a faster one: --engine"))
    return Scaled(
        outcome=stage.outcome(),
        copy_hours=fleet.seconds / _HOUR_S,
        most_copies=max(each.copies for each in turns),
        turns=tuple(turns),
    )


class _Copies:
    """Which copies take calls: the first ones, each some time after it was wanted."""

    def __init__(self, stage: Stage, wanted: int, start_s: float) -> None:
        self._stage, self._start_s = stage, start_s
        self._wanted = wanted
        self._ready_at = [0.0] * wanted
        self._looked_s = 0.0
        self.seconds = 0.0
        for number in range(wanted, len(stage.engines)):
            stage.set_routable(number, False)

    @property
    def ready(self) -> int:
        return sum(at_s <= self._looked_s for at_s in self._ready_at)

    def settle(self, now_s: float) -> None:
        """Let those take calls that have become ready meanwhile."""
        self.seconds += (now_s - self._looked_s) * self._wanted
        for number, at_s in enumerate(self._ready_at):
            if self._looked_s < at_s <= now_s:
                self._stage.set_routable(number, True)
        self._looked_s = now_s

    def want(self, copies: int, now_s: float) -> None:
        for number in range(copies, self._wanted):
            self._stage.set_routable(number, False)
        self._ready_at = [*self._ready_at[:copies], *([now_s + self._start_s] * (copies - self._wanted))]
        self._wanted = copies


def _stage(calls: Sequence[Arrived], shape: EngineShape, copies: int, gateway: Gateway, slo: Slo) -> Stage:
    fleet = Fleet(engines=(shape,) * copies, gateway=gateway)
    return Stage(fleet, Recorded(calls), slo, 0.0, float("inf"))
