"""What trials cost in time, by what they have cost so far, and whether another one can be had."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from forebay.tune.setting import Setting
from forebay.tune.trial import Trial

# Starts of vLLM on an H100: 80 s eager, 140 s with compilation and graphs; llama.cpp needs 3 s.
_EAGER_S, _COMPILED_S, _EMBEDDED_S = 80.0, 140.0, 5.0
_STOP_S = 8.0
_RUNG_WARM_S = 5.0
_PER_COPY = 0.03
"""Engines that start side by side wait for the same disk and the same cores: four took as long as one."""


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How long the parts of a trial take. `trials` are those that have been made, on this machine or the last."""

    window_s: float
    rungs: int
    is_vllm: bool = True
    trials: tuple[Trial, ...] = ()

    def start_s(self, setting: Setting) -> float:
        """How long the setting will take to start: the slowest of those seen of its kind, else what is usual.

        A first compiled start is scaled by how the machine's eager starts compare with the usual ones.
        """
        if not self.is_vllm:
            return self._slowest(None) or _EMBEDDED_S
        eager = _is_eager(setting)
        more = 1 + _PER_COPY * (setting.copies - 1)
        if seen := self._slowest(eager):
            return seen * more
        usual = _EAGER_S if eager else _COMPILED_S
        other = self._slowest(not eager)
        scale = other / (_COMPILED_S if eager else _EAGER_S) if other else 1.0
        return usual * min(scale, 1.0) * more

    def trial_s(self, setting: Setting) -> float:
        """A whole trial."""
        return self.start_s(setting) + self.rungs * (self.window_s + _RUNG_WARM_S) + _STOP_S

    def least_s(self, setting: Setting) -> float:
        """The shortest trial that says something: a start, and one load."""
        return self.start_s(setting) + self.window_s + _RUNG_WARM_S + _STOP_S / 2

    def _slowest(self, eager: bool | None) -> float:
        starts = [
            trial.start_s
            for trial in self.trials
            if trial.start_s and (eager is None or _is_eager(trial.setting) == eager)
        ]
        return max(starts[-3:], default=0.0)


def pace_of(trials: Sequence[Trial], *, window_s: float, rungs: int, is_vllm: bool) -> Pace:
    """The pace that a journal's trials tell."""
    return Pace(window_s=window_s, rungs=rungs, is_vllm=is_vllm, trials=tuple(trials))


def _is_eager(setting: Setting) -> bool:
    return setting.args.get("enforce-eager") is True
