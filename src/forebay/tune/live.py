"""Trials on real engines: start, question, load, end."""

from __future__ import annotations

import http.client
import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from forebay.core.errors import ForebayError
from forebay.tune.bottleneck import causes
from forebay.tune.engine import OutOfTime, Running, Starter, StartFailed
from forebay.tune.hardware import Machine
from forebay.tune.load import ClientLimits, ClientWasTheBottleneck, NothingMeasured, measure
from forebay.tune.load.target import CHAT, COMPLETIONS, Target
from forebay.tune.load.workload import Workload
from forebay.tune.objective import Objective
from forebay.tune.quality import Asked, Labelled, heard, judged
from forebay.tune.report.measured import Doubt, Measured
from forebay.tune.roofline import distance
from forebay.tune.rung import load_of, rung_of
from forebay.tune.scoring import explore, score
from forebay.tune.setting import Setting
from forebay.tune.source import Ask
from forebay.tune.space import Space
from forebay.tune.trial import Answers, Failure, Outcome, Rung, Trial

if TYPE_CHECKING:
    from forebay.tune.front import Build

_FIRST_WARM_S = 6.0
_MOST_WARM_S = 12.0
_MOST_WINDOW_S = 20.0
_ROUNDS = 2.0
_GROWTH = 0.75
"""Answers take longer with the load, as its root while the engine has room and in proportion once it is full."""
_OVERHEAD_S = 2.0
_TRIES = 2
_LEAST_ANSWER_S = 1.0
_STANDS_STILL_S = 120.0
"""An engine that takes longer for an answer stands still; of one that had less time nothing is known."""
_LONGER = 4.0
_LENIENT = ClientLimits(lag_p99_ms=100.0, lag_ratio=0.25, cpu_share=0.98)
_CROWD = 64
"""Requests in flight that one process of the generator is asked to carry."""


class Conduct(msgspec.Struct, frozen=True, kw_only=True):
    """How trials are made. `window_s`: what a load is measured for; `start_s`: how long a start may take.

    `build`: of a gateway as the file has it, for a space whose trials go through one.
    """

    window_s: float = 8.0
    most_rungs: int = 4
    start_s: float = 600.0
    gpu: int | None = None
    labelled: tuple[Labelled, ...] = ()
    floor: float | None = None
    ask_quality: bool = True
    machine: Machine = Machine(name="unknown")
    build: Build | None = None
    say: Callable[[str], None] = lambda _text: None


class Live:
    """Makes trials on this machine."""

    def __init__(self, space: Space, objective: Objective, starter: Starter, conduct: Conduct) -> None:
        self._space, self._objective, self._starter = space, objective, starter
        self._conduct, self._say = conduct, conduct.say
        self._last: Rung | None = None

    def run(self, ask: Ask) -> Trial:
        """Start the engines, question them, load them, and end them whatever happens."""
        began_s, began_at = time.monotonic(), time.time()
        made = _Made(self._objective)
        try:
            self._make(ask, made)
        except StartFailed as error:
            made.outcome, made.failure = "failed", error.failure
        except OutOfTime:
            made.outcome = "measured" if made.rungs else "out of time"
        except (ForebayError, OSError, http.client.HTTPException) as error:
            died = self._starter.died()
            if died is None and time.monotonic() >= ask.until_s:  # it was cut short
                made.outcome = "measured" if made.rungs else "out of time"
            else:
                made.outcome = "failed"
                made.failure = died or Failure(kind="load failed", why=str(error)[:500])
        finally:
            self._starter.stop()
        return self._trial(ask, made, began_at, time.monotonic() - began_s)

    def _make(self, ask: Ask, made: _Made) -> None:
        running = self._starter.start(ask.setting, f"t{ask.id}", self._conduct.start_s, ask.until_s)
        made.facts, made.start_s = running.facts, running.start_s
        self._say(f"  ready after {running.start_s:.0f} s")
        target = self._target(running, ask.setting)
        if self._conduct.ask_quality:
            made.answers = self._question(ask, running, target)
            if not made.answers.passed:
                made.outcome = "failed"
                made.failure = Failure(kind="answers differ", why=made.answers.why)
                return
        made.aim = self._objective if ask.slo is None else msgspec.structs.replace(self._objective, slo=ask.slo)
        explore(
            lambda concurrency: self._rung(target, concurrency, ask, made),
            made.aim,
            first=ask.at,
            begin=ask.begin,
            most=self._conduct.most_rungs,
            near=ask.near,
        )
        if not made.rungs:
            made.outcome = "out of time"

    def _question(self, ask: Ask, running: Running, target: Target) -> Answers:
        """Of one engine; or of the gateway, and then what it answers the second time, for it may remember."""
        url = target.url if self._space.through else running.urls[0]
        whom = Asked(port=urlsplit(url).port or 0, model=self._space.model, key=target.key, until_s=ask.until_s)
        answers = heard(whom, self._conduct.labelled)
        if self._space.through:
            answers = heard(whom, self._conduct.labelled)
        if ask.setting.args.get("load-format") == "dummy":
            return answers  # of random weights no answer is right or wrong; the report says so
        return judged(answers, ask.answers, precision=ask.precision, floor=self._conduct.floor)

    def _target(self, running: Running, setting: Setting) -> Target:
        metrics = tuple(f"{url}/metrics" for url in running.urls)
        if len(running.urls) == 1 and not self._space.through:
            return self._at(running.urls[0], "", metrics)
        from forebay.tune.front import Front  # noqa: PLC0415  the gateway's own libraries are needed for this alone

        front = Front(self._starter, self._space)
        if self._space.through:
            assert self._conduct.build is not None  # noqa: S101  whoever goes through a gateway says how it is built
            url, key = front.through(running, setting, self._conduct.build)
        else:
            url, key = front.start(running.urls)
        return self._at(url, key, metrics)

    def _at(self, url: str, key: str, metrics: tuple[str, ...]) -> Target:
        # Only a chat has a system prompt that can be written in several ways.
        path = CHAT if self._objective.shared_spellings > 1 else COMPLETIONS
        return Target(url=url, model=self._space.model, key=key, path=path, engine_metrics_urls=metrics)

    def _rung(self, target: Target, concurrency: int, ask: Ask, made: _Made) -> Rung | None:
        answer_s = self._expected_s(concurrency)
        warm_s = min(_MOST_WARM_S, max(min(_FIRST_WARM_S, self._conduct.window_s), 1.3 * answer_s))
        # Clients that begin together read their prompts together and write together: a window holds a whole round.
        window_s = max(self._conduct.window_s, min(_MOST_WINDOW_S, _ROUNDS * answer_s))
        # Answers that are under way when the window ends are waited for, under the same load.
        needed_s = warm_s + window_s + 1.5 * answer_s + _OVERHEAD_S
        if ask.until_s - time.monotonic() < needed_s:
            return None
        if made.first_tokens_per_s is not None and made.first_tokens_per_s < ask.hopeless_tokens_per_s:
            return None
        load = load_of(
            self._objective,
            concurrency,
            warm_s=warm_s,
            window_s=window_s,
            seed=ask.id * 1000 + concurrency,
        )
        try:
            measured = self._measured(target, load, self._processes(concurrency), ask.until_s)
        except (ClientWasTheBottleneck, NothingMeasured):
            if not made.rungs or self._starter.died():
                raise
            return None  # the loads before it were measured well
        rung = rung_of(measured, made.aim, concurrency, self._conduct.gpu)
        made.rungs.append(rung)
        self._last = rung
        if concurrency == ask.begin:
            made.first_tokens_per_s = rung.output_tokens_per_s
        self._say(
            f"  {concurrency} at once: {rung.output_tokens_per_s:,.0f} tokens/s, "
            f"TTFT P95 {rung.ttft_p95_ms:,.0f} ms, E2E P50 {rung.e2e_p50_ms:,.0f} P99 {rung.e2e_p99_ms:,.0f} ms"
        )
        return rung

    def _expected_s(self, concurrency: int) -> float:
        """How long an answer will take, by the load before."""
        last = self._last
        if last is None:
            return 0.0
        return last.e2e_p50_ms / 1000 * math.pow(concurrency / last.concurrency, _GROWTH)

    def _processes(self, concurrency: int) -> int:
        return min(1 + (concurrency - 1) // _CROWD, max(1, self._space.cores // 4))

    def _measured(self, target: Target, load: Workload, processes: int, until_s: float) -> Measured:
        """For longer where not one answer ended in time."""
        try:
            return self._surely(target, load, processes, until_s)
        except NothingMeasured as error:
            if _stood_still(error.reasons) or until_s - time.monotonic() < 2 * _LONGER * load.longest_s:
                raise
            longer = msgspec.structs.replace(load, duration_s=_LONGER * load.longest_s, warm_up_s=load.longest_s)
            return self._surely(target, longer, processes, until_s)

    def _surely(self, target: Target, load: Workload, processes: int, until_s: float) -> Measured:
        """With more processes where the client was the limit; what it could not do better is told as a doubt."""
        for more in range(_TRIES):
            last = more + 1 == _TRIES or until_s - time.monotonic() < 3 * load.longest_s
            limits = _LENIENT if last else ClientLimits()
            try:
                measured = _within(target, load, processes + more, limits, until_s)
                return _doubted(measured) if last else measured
            except ClientWasTheBottleneck as error:
                if last:
                    raise
                self._say(f"  {error.what}: again with {processes + more + 1} processes")
        raise AssertionError("unreachable")

    def _trial(self, ask: Ask, made: _Made, began_at: float, whole_s: float) -> Trial:
        trial = Trial(
            id=ask.id,
            setting=ask.setting,
            repeat=ask.repeat,
            label=ask.label,
            outcome=made.outcome,
            began_at=began_at,
            start_s=made.start_s,
            whole_s=whole_s,
            rungs=tuple(made.rungs),
            failure=made.failure,
            answers=made.answers,
            facts=made.facts,
            score=score(made.rungs, made.aim) if made.rungs and made.failure is None else None,
        )
        best = trial.best
        if best is None:
            return trial
        weights = self._space.loaded.weights.get(str(getattr(self._space.engine, "weights", "")))
        machine = self._conduct.machine.times(self._space.gpus_of(ask.setting))
        far = distance(best, ask.setting, weights, machine, self._objective)
        return msgspec.structs.replace(trial, distance=far, causes=causes(best, ask.setting, far))


def _within(target: Target, load: Workload, processes: int, limits: ClientLimits, until_s: float) -> Measured:
    """Measured with no answer waited for beyond the budget; OutOfTime where that alone made answers fail."""
    short = load.within(until_s - time.monotonic(), _LEAST_ANSWER_S)
    try:
        measured = measure(target, short, processes=processes, limits=limits)
    except NothingMeasured as error:
        _end_if_cut(short, error.reasons)
        raise
    _end_if_cut(short, measured.failed)
    return measured


def _end_if_cut(short: Workload, reasons: Mapping[str, int]) -> None:
    if short.timeout_s < _STANDS_STILL_S and _stood_still(reasons):
        raise OutOfTime("the budget ended while answers were under way")


def _stood_still(reasons: Mapping[str, int]) -> bool:
    return any(reason.endswith("timeout") for reason in reasons)


def _doubted(measured: Measured) -> Measured:
    """What is not exact is told with the figures: a client that is late makes the engine look slower, never faster."""
    client = measured.client
    if client.lag_p99_ms <= ClientLimits().lag_p99_ms and client.cpu_share <= ClientLimits().cpu_share:
        return measured
    text = f"the client was {client.lag_p99_ms:.0f} ms late at its P99, and used {client.cpu_share:.0%} of a core"
    doubts = (*measured.doubts, Doubt(code="client_late", text=text))
    return msgspec.structs.replace(measured, doubts=doubts)


class _Made:
    """What of a trial there is so far: a failure keeps what came before it."""

    def __init__(self, aim: Objective) -> None:
        self.aim = aim
        self.outcome: Outcome = "measured"
        self.start_s = 0.0
        self.rungs: list[Rung] = []
        self.failure: Failure | None = None
        self.answers: Answers | None = None
        self.facts: dict[str, float] = {}
        self.first_tokens_per_s: float | None = None
