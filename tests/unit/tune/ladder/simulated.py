"""A simulated source of trials: planted effects and noise, no process and no time. For the statistics of ladders."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from forebay.config.load import load
from forebay.tune.journal import Journal
from forebay.tune.ladder import Climbed, Ladder, Rules
from forebay.tune.objective import Objective
from forebay.tune.scoring import explore, score
from forebay.tune.setting import Setting
from forebay.tune.source import Ask
from forebay.tune.space import Space, space_of
from forebay.tune.trial import Failure, Rung, Trial

Effect = Callable[[Setting], float]
VLLM = """
version: 1
hardware: h100
models:
  m:
    context_tokens: 4096
    engines:
      - kind: vllm
        weights: none/known
        release: 0.25.1
        args: {enforce-eager: true, async-scheduling: false, max-num-seqs: 64, gpu-memory-utilization: 0.8,
               kv-cache-dtype: auto, dtype: bfloat16, enable-prefix-caching: false}
"""
EMBEDDED = """
version: 1
models: {m: {engines: [{kind: embedded, max_sequences: 4, threads: 2}]}}
"""
AIM = Objective(name="batch", about="", concurrency=64, most_concurrency=512)


class Clock:
    """Goes on only where a trial takes its time."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Simulated:
    """Engines whose throughput is `effect` of the setting, times what starts differ by; `fails` says why one cannot."""

    def __init__(
        self,
        effect: Effect,
        *,
        sd: float = 0.015,
        seed: int = 1,
        fails: Callable[[Setting], Failure | None] = lambda _setting: None,
        aim: Objective = AIM,
        trial_s: float = 60.0,
    ) -> None:
        self.clock = Clock()
        self.asked: list[Ask] = []
        self._effect, self._sd, self._fails, self._aim, self._trial_s = effect, sd, fails, aim, trial_s
        self._dice = random.Random(seed)

    def run(self, ask: Ask) -> Trial:
        self.asked.append(ask)
        self.clock.now_s += self._trial_s
        failure = self._fails(ask.setting)
        speed = 1000 * self._effect(ask.setting) * self._dice.lognormvariate(0, self._sd)
        rungs = [] if failure else self._rungs(ask, speed)
        return Trial(
            id=ask.id,
            setting=ask.setting,
            repeat=ask.repeat,
            label=ask.label,
            outcome="failed" if failure else "measured",
            began_at=0.0,
            start_s=self._trial_s / 2,
            whole_s=self._trial_s,
            rungs=tuple(rungs),
            score=score(rungs, self._aim) if rungs else None,
            failure=failure,
        )

    def _rungs(self, ask: Ask, speed: float) -> list[Rung]:
        def at(concurrency: int) -> Rung:
            return Rung(
                concurrency=concurrency,
                requests_per_s=speed / 100,
                output_tokens_per_s=speed,
                input_tokens_per_s=speed,
                e2e_p50_ms=1000.0,
                e2e_p99_ms=2000.0,
                sent=100,
            )

        return explore(at, self._aim, first=(), begin=ask.begin, most=1)


def space(folder: Path, text: str = EMBEDDED, cores: int = 2) -> Space:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "forebay.yaml"
    path.write_text(text, encoding="utf-8")
    return space_of(load(path), "m", scenario="batch", cores=cores)


def climb(folder: Path, source: Simulated, where: Space, aim: Objective = AIM, **rules: object) -> Climbed:
    """A whole session; the journal in `folder` is gone on with."""
    asked = Rules(clock=source.clock, **{"budget_s": 1e9, **rules})  # type: ignore[arg-type]
    with Journal(folder / "journal") as journal:
        return Ladder(where, aim, source, journal, asked).climb(where.baseline())
