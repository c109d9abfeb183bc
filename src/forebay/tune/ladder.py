"""The ladder: a baseline, then one change after the other, each kept only where it is better beyond doubt.

Everything follows from the trials in the order in which they were made. A ladder that is resumed takes the same steps
from the journal, without making a trial again, and goes on where it ended.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from forebay.core.errors import RunError
from forebay.messages import _
from forebay.tune.budget import Pace, pace_of
from forebay.tune.journal import Decided, Done, Journal
from forebay.tune.noise import Difference, difference, noise_of
from forebay.tune.objective import Bounds, Objective
from forebay.tune.roofline import ENOUGH_RATIO
from forebay.tune.search import search
from forebay.tune.setting import Change, Setting
from forebay.tune.source import Ask, Source
from forebay.tune.space import Space
from forebay.tune.stage import Situation
from forebay.tune.standing import Choices, Standing, together
from forebay.tune.trial import Rung, Trial

Way = Literal["stages", "strides"]


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """How a ladder is climbed.

    `stages`: one change at a time, a keep confirmed by starting present, candidate and present again; `alpha` is the
    chance that a confirmed keep is none. `strides`: for few starts; what lint knows to go together is tried together,
    and kept without a second start only where the chance that it is no gain is below `wide_alpha`. In the end baseline
    and winner are started once more: time for that is kept back from single changes.
    """

    way: Way = "stages"
    alpha: float = 0.05
    wide_alpha: float = 0.02
    screen_p: float = 0.25
    budget_s: float = 600.0
    window_s: float = 8.0
    rungs: int = 4
    search: int = 0
    say: Callable[[str], None] = lambda _text: None
    clock: Callable[[], float] = time.monotonic


class Climbed(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. `finished`: nothing is left to try; else `why` says what ended the session."""

    baseline: Trial
    present: Standing
    seen: tuple[Trial, ...]
    refused: dict[str, str]
    finished: bool
    why: str


_LEAST_START_S = 2.0
_AS_SLOW = 1.05


class BudgetEnded(Exception):
    """The time does not allow another trial."""


class Ladder:
    """Climbs once; the journal holds what was done, here and in sessions before."""

    def __init__(self, space: Space, objective: Objective, source: Source, journal: Journal, rules: Rules) -> None:
        self._space, self._objective, self._source = space, objective, source
        self._journal, self._rules, self._say = journal, rules, rules.say
        self._until_s = rules.clock() + rules.budget_s
        self._choices = Choices(space, objective)
        self._seen: list[Trial] = []
        self._written = list(journal.decisions)

    def climb(self, baseline: Setting) -> Climbed:
        """Climb until nothing is left or the time has ended; RunError where not even the baseline can be measured."""
        try:
            first = self._trial(baseline, 0, "baseline", ())
        except BudgetEnded:
            raise RunError(_("the budget does not hold a single trial"), fix=_("Raise --budget")) from None
        if first.score is None:
            failure = first.failure
            why = failure.why if failure is not None else first.outcome
            raise RunError(_("the baseline cannot be measured: {why}").format(why=why), fix=_("Run `forebay check`"))
        self._first = first
        self._present = Standing(setting=baseline, trials=(first,))
        try:
            why = self._steps()
            finished = True
        except BudgetEnded as ended:
            why, finished = str(ended), False
        return Climbed(
            baseline=first,
            present=self._present,
            seen=tuple(self._seen),
            refused=self._choices.refused,
            finished=finished,
            why=why,
        )

    def _steps(self) -> str:
        if self._rules.way == "strides":
            for precision in (False, True):
                stride = self._choices.bundle(self._present, self._seen, precision=precision)
                if stride and self._affords(stride):
                    self._try(stride)
        why = self._singles()
        if self._rules.way == "strides":
            self._settle()
        return why

    def _singles(self) -> str:
        while True:
            if near := self._enough():
                return near
            left = self._choices.singles(self._present, self._seen)
            if not left:
                self._search()
                return "nothing is left to try"
            if self._rules.way == "strides":
                left.sort(key=lambda change: -change.gain)
                if not self._time_for(left[:1]):
                    self._settle()
                    raise BudgetEnded("no time is left for another change")
            self._try(left[:1])

    def _affords(self, changes: Sequence[Change]) -> bool:
        """What was won is worth more confirmed than anything else tried; with nothing won, all time is for trying."""
        return self._present.setting == self._first.setting or self._time_for(changes)

    def _time_for(self, changes: Sequence[Change]) -> bool:
        """Whether changes can be tried, and the winner confirmed after them."""
        present = self._present.setting
        known = self._recorded(together(changes, present), 0) is not None
        if known or self._choices.fits(changes, present, self._seen):
            return True  # it costs nothing, and a ladder that is resumed must not leave out what it was led by
        latest = self._present.latest
        # A candidate that is looked at under fewer loads than the present one would be judged by worse ones.
        needed_s = self._pace().start_s(together(changes, present)) + latest.whole_s - latest.start_s
        if present != self._first.setting:
            again = [each for each in (self._first.setting, present) if self._recorded(each, 1) is None]
            needed_s += sum(next(trial.whole_s for trial in self._seen if trial.setting == each) for each in again)
        return needed_s <= self._until_s - self._rules.clock()

    def _settle(self) -> None:
        """Baseline and winner started anew: what chose the winner does not judge it."""
        present = self._present
        if present.setting == self._first.setting:
            return
        base = self._trial(self._first.setting, 1, "baseline, to confirm the winner", ())
        again = self._trial(present.setting, 1, "winner, confirmed", ())
        changes = (Change(stage="confirmation", name="the winner", why=""),)
        if base.score is None or again.score is None:
            self._decide(changes, again, None, "failed", "a second start did not work")
            return
        found = difference([base.score], [again.score], noise_of(self._seen))
        kept = found.p < self._rules.alpha and (again.score.kept or not base.score.kept)
        trials = (*present.trials, again) if kept else (self._first, base)
        self._present = msgspec.structs.replace(
            present, setting=present.setting if kept else self._first.setting, trials=trials
        )
        self._decide(changes, again, found, "better" if kept else "not better", "than the baseline, by new starts")

    def _search(self) -> None:
        """Settings around the winner, each of them judged as the changes were."""
        if not self._rules.search:
            return
        present = self._present
        at = Situation(space=self._space, objective=self._objective, setting=present.setting, trial=present.latest)

        def attempt(setting: Setting) -> Trial:
            return self._trial(setting, 0, _name(setting, present.setting), ())

        def forbidden(setting: Setting) -> str:
            return self._choices.fits([_change(setting, present.setting)], present.setting, self._seen)

        for trial in search(at, attempt, forbidden, trials=self._rules.search):
            change = _change(trial.setting, self._present.setting)
            self._judge([change], trial.setting, trial)

    def _enough(self) -> str:
        """Whether the roofline is near: what is left is not for flags to give."""
        far = self._present.latest.distance
        if far is None or far.ratio < ENOUGH_RATIO:
            return ""
        return f"{far.ratio:.0%} of the roofline is reached"

    def _try(self, changes: Sequence[Change]) -> None:
        """Make the changes together; those of a stride that fails are tried by halves."""
        before = self._present
        setting = together(changes, before.setting)
        if self._choices.fits(changes, before.setting, self._seen):
            kept = False  # what failed meanwhile forbids it
        else:
            label = ", ".join(change.name for change in changes)
            trial = self._trial(setting, 0, label, changes)
            kept = self._judge(changes, setting, trial)
        self._choices.mark(changes if kept or len(changes) == 1 else (), kept=kept)
        if not kept and len(changes) > 1:
            middle = (len(changes) + 1) // 2
            for half in (changes[:middle], changes[middle:]):
                if self._affords(half):
                    self._try(half)

    def _judge(self, changes: Sequence[Change], setting: Setting, trial: Trial) -> bool:
        before = self._present
        if trial.score is None:
            failure = trial.failure
            self._decide(changes, trial, None, "failed", failure.why if failure else trial.outcome)
            return False
        found = difference(before.scores, [trial.score], noise_of(self._seen))
        if before.latest.score is not None and before.latest.score.kept and not trial.score.kept:
            self._decide(changes, trial, found, "breaks the SLO", "no load keeps the bounds")
            return False
        if self._rules.way == "strides":
            return self._judge_wide(changes, setting, trial, found)
        if found.gain <= 1 or found.p > self._rules.screen_p:
            self._decide(changes, trial, found, "not better", "screened out")
            return False
        return self._confirm(changes, setting, trial)

    def _judge_wide(self, changes: Sequence[Change], setting: Setting, trial: Trial, found: Difference) -> bool:
        kept = found.p < self._rules.wide_alpha
        if kept:
            self._keep(changes, setting, (trial,))
            self._decide(changes, trial, found, "better", "by more than starts differ")
        else:
            why = "within what starts differ by" if found.gain > 1 else "no gain"
            self._decide(changes, trial, found, "not better", why)
        return kept

    def _confirm(self, changes: Sequence[Change], setting: Setting, trial: Trial) -> bool:
        """Present, candidate, present, each started anew: what chose the candidate does not judge it."""
        present = self._present
        label = ", ".join(change.name for change in changes)
        repeats = self._repeats(present.setting)
        one = self._trial(present.setting, repeats, f"present, to confirm {label}", ())
        again = self._trial(setting, 1, f"{label}, confirmed", changes)
        two = self._trial(present.setting, repeats + 1, f"present, to confirm {label}", ())
        fresh = [each.score for each in (one, two) if each.score is not None]
        if again.score is None or not fresh:
            self._decide(changes, again, None, "failed", "a second start did not work")
            return False
        found = difference(fresh, [again.score], noise_of(self._seen))
        kept = found.p < self._rules.alpha and (
            again.score.kept or not present.latest.score or not present.latest.score.kept
        )
        if kept:
            self._keep(changes, setting, (again,))
        self._decide(changes, again, found, "better" if kept else "not better", "confirmed by new starts")
        return kept

    def _keep(self, changes: Sequence[Change], setting: Setting, trials: tuple[Trial, ...]) -> None:
        precision = self._present.precision or any(change.precision for change in changes)
        self._present = Standing(setting=setting, trials=trials, precision=precision)

    def _decide(
        self, changes: Sequence[Change], trial: Trial, found: Difference | None, verdict: str, why: str
    ) -> None:
        kept = verdict == "better"
        event = Decided(
            at=time.time(),
            stage=changes[0].stage if len({change.stage for change in changes}) == 1 else "stride",
            changes=tuple(change.name for change in changes),
            verdict=verdict,
            kept=kept,
            confirmed=kept and (self._rules.way == "stages" or trial.repeat > 0),
            gain=found.gain if found else None,
            low=found.low if found else None,
            high=found.high if found else None,
            why=why,
            trial=trial.id,
            present=self._present.setting,
        )
        gain = f" {found.gain - 1:+.1%} ({found.low - 1:+.1%} to {found.high - 1:+.1%})" if found else ""
        self._say(f"  {verdict}:{gain} {why}")
        known = {(each.trial, each.changes, each.verdict) for each in self._written}
        if (event.trial, event.changes, event.verdict) not in known:
            self._journal.append(event)

    def _repeats(self, setting: Setting) -> int:
        return sum(trial.setting == setting for trial in self._seen)

    def _trial(self, setting: Setting, repeat: int, label: str, changes: Sequence[Change]) -> Trial:
        """The trial from the journal, or made now; BudgetEnded where there is no time for it."""
        done = self._recorded(setting, repeat)
        if done is None:
            done = self._made(setting, repeat, label, changes)
        self._seen.append(done)
        return done

    def _recorded(self, setting: Setting, repeat: int) -> Trial | None:
        return next(
            (
                trial
                for trial in self._journal.trials
                if trial.setting == setting and trial.repeat == repeat and trial.outcome != "out of time"
            ),
            None,
        )

    def _made(self, setting: Setting, repeat: int, label: str, changes: Sequence[Change]) -> Trial:
        rules = self._rules
        left_s = self._until_s - rules.clock()
        # What is usual says little of the first start on a machine; from then on it is known.
        needed_s = self._pace().least_s(setting) if self._seen else rules.window_s + _LEAST_START_S
        if needed_s > left_s:
            raise BudgetEnded(f"{left_s:.0f} s are left, the next trial takes {needed_s:.0f} s at least")
        done = self._source.run(self._asked(setting, repeat, label, changes))
        self._journal.append(Done(trial=done))
        if done.outcome == "out of time":
            raise BudgetEnded("the time ended during a trial")
        return done

    def _pace(self) -> Pace:
        rules = self._rules
        return pace_of(self._journal.trials, window_s=rules.window_s, rungs=rules.rungs, is_vllm=self._space.is_vllm)

    def _asked(self, setting: Setting, repeat: int, label: str, changes: Sequence[Change]) -> Ask:
        number = len(self._journal.trials) + 1
        self._say(f"trial {number}: {label}")
        if not self._seen:
            begin = min(self._objective.concurrency, self._objective.most_concurrency)
            return Ask(id=number, setting=setting, repeat=repeat, label=label, begin=begin, until_s=self._until_s)
        precision = self._present.precision or any(change.precision for change in changes)
        reference = self._first.best
        earlier = next((trial.best for trial in self._seen if trial.setting == setting and trial.best), None)
        begin = earlier.concurrency if earlier else _begin(setting, self._present, self._objective)
        known = self._present.latest.at(begin)
        return Ask(
            id=number,
            setting=setting,
            repeat=repeat,
            label=label,
            at=(reference.concurrency,) if reference is not None else (),
            begin=begin,
            answers=self._first.answers,
            precision=precision,
            until_s=self._until_s,
            slo=_slower(reference) if reference is not None and self._objective.as_baseline else None,
            hopeless_tokens_per_s=0.8 * known.output_tokens_per_s if known is not None else 0.0,
            near=earlier is not None,
        )


def _change(setting: Setting, before: Setting) -> Change:
    args = {key: value for key, value in setting.difference(before).items() if not key.startswith("env.")}
    return Change(stage="search", name=_name(setting, before), why="", args=args)


def _name(setting: Setting, before: Setting) -> str:
    return ", ".join(f"{key} {value}" for key, value in setting.difference(before).items())


def _slower(reference: Rung) -> Bounds:
    """No slower than the baseline, but for what two starts of it would differ by."""
    return Bounds(e2e_p95_ms=reference.e2e_p95_ms * _AS_SLOW)


def _begin(setting: Setting, present: Standing, objective: Objective) -> int:
    """The load where a candidate's search begins: the present's best, and more where more may run at once."""
    best = present.latest.best
    begin = best.concurrency if best is not None else objective.concurrency
    wider, narrow = (
        each.args.get("max-num-seqs", each.args.get("max_sequences")) for each in (setting, present.setting)
    )
    if isinstance(wider, int) and isinstance(narrow, int) and wider > narrow:
        begin = min(wider, max(begin, round(begin * wider / narrow)))
    return max(1, min(begin, objective.most_concurrency))
