"""Where a ladder stands: the setting that is best so far, its trials, and what may be tried next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from forebay.tune.constraints import failed_like
from forebay.tune.objective import Objective
from forebay.tune.setting import Change, Setting
from forebay.tune.space import Space
from forebay.tune.stage import Situation, load_stages, order, proposals, stages
from forebay.tune.trial import Score, Trial

_ALL_AT_ONCE = "killers"
_WORTH = 1.005
"""What is usually worth less, or nothing, is not taken into a stride: it would hide behind the rest."""
_PATIENCE = 2
"""So many changes of a stage without one that is kept, and the ladder goes on to the next stage."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A setting and every trial of it that counts."""

    setting: Setting
    trials: tuple[Trial, ...]
    precision: bool = False
    """Whether a change of precision is part of it."""

    @property
    def scores(self) -> list[Score]:
        return [trial.score for trial in self.trials if trial.score is not None]

    @property
    def latest(self) -> Trial:
        return self.trials[-1]


class Choices:
    """What may be tried from a standing, and what has been; the same history gives the same choices."""

    def __init__(self, space: Space, objective: Objective) -> None:
        self._space, self._objective = space, objective
        self._tried: dict[str, int] = {}
        self._names: set[str] = set()
        self.refused: dict[str, str] = {}
        """Changes that lint or a failure forbids, with the reason."""

    def mark(self, changes: Iterable[Change], *, kept: bool) -> None:
        """Remember that these were tried."""
        for change in changes:
            self._names.add(change.name)
            self._tried[change.stage] = 0 if kept else self._tried.get(change.stage, 0) + 1

    def bundle(self, standing: Standing, seen: Sequence[Trial], *, precision: bool) -> list[Change]:
        """Every stage's first choice that may be made together with the ones before: a stride."""
        load_stages()
        setting, taken = standing.setting, []
        for name in order(self._space):
            while True:
                at = self._situation(standing, setting)
                open_changes = [
                    change for change in stages[name](at) if change.precision == precision and change.gain >= _WORTH
                ]
                change = next(self._allowed(open_changes, setting, seen), None)
                if change is None:
                    break
                taken.append(change)
                setting = change.applied(setting)
                if name != _ALL_AT_ONCE:
                    break
        return taken

    def singles(self, standing: Standing, seen: Sequence[Trial]) -> list[Change]:
        """Everything that is left, in the order of the stages."""
        found: list[Change] = []
        for name, changes in proposals(self._situation(standing, standing.setting)):
            if self._tried.get(name, 0) < _PATIENCE:
                found += self._allowed(changes, standing.setting, seen)
        return found

    def fits(self, changes: Sequence[Change], setting: Setting, seen: Sequence[Trial]) -> str:
        """Why these may not be made together; empty where they may."""
        made = together(changes, setting)
        objections = self._space.objections(made, setting)
        if objections:
            return f"{objections[0].rule}: {objections[0].why}"
        failed = failed_like(made, seen)
        if failed is not None and failed.failure is not None:
            return f"trial {failed.id} asked no more and failed: {failed.failure.kind}"
        return ""

    def _allowed(self, changes: Iterable[Change], setting: Setting, seen: Sequence[Trial]) -> Iterator[Change]:
        for change in changes:
            if change.name in self._names or not change.alters(setting):
                continue
            if why := self.fits([change], setting, seen):
                self.refused[change.name] = why
                continue
            yield change

    def _situation(self, standing: Standing, setting: Setting) -> Situation:
        return Situation(space=self._space, objective=self._objective, setting=setting, trial=standing.latest)


def together(changes: Sequence[Change], setting: Setting) -> Setting:
    for change in changes:
        setting = change.applied(setting)
    return setting
