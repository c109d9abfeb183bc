"""A ladder's journal judged again by today's statistics: `python -m benchmarks.gpu.replay LANE…`, no engine is started.

A lane is a folder that `benchmarks.gpu.ladder` wrote: forebay.yaml and ladder/journal.jsonl. What was measured stays;
scores, verdicts and the order of steps follow from it anew. Journals from before answers' lengths were written are read
with the objective's own, and the median for the mean.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import msgspec

from forebay.config.load import load
from forebay.tune.hardware import Machine
from forebay.tune.journal import NAME, Began, Decided, Done, Ended, Journal, read_events
from forebay.tune.ladder import BudgetEnded, Ladder, Rules
from forebay.tune.objective import Objective, objective
from forebay.tune.page import page
from forebay.tune.roofline import distance
from forebay.tune.rung import rounds_sd
from forebay.tune.scoring import score
from forebay.tune.source import Ask
from forebay.tune.space import Space, space_of
from forebay.tune.told import as_table, told_of
from forebay.tune.trial import Rung, Trial

MACHINE_CORES = 64
CUT_SHORT = "not one of"
"""A load whose window ended before its answers did: a fault of the measurement, not of the setting."""


class Over:
    """Makes no trial: what is not in the journal was never done."""

    def run(self, ask: Ask) -> Trial:
        raise BudgetEnded(f"the journal holds no trial of: {ask.label}")


def main(lanes: list[str]) -> int:
    """Replay each lane and write replayed.html beside its journal."""
    for lane in map(Path, lanes):
        sys.stdout.write(f"{lane.name}\n{replayed(lane)}\n\n")
    return 0


def replayed(lane: Path) -> str:
    """The table of the ladder as it would be decided today."""
    path = lane / "ladder" / NAME
    events = read_events(path.read_bytes(), path)
    began = next(event for event in events if isinstance(event, Began))
    aim = msgspec.structs.replace(
        objective(str(began.asked["objective"])), concurrency=int(str(began.asked["concurrency"]))
    )
    space = space_of(
        load(lane / "forebay.yaml"), str(began.asked["model"]), scenario=aim.name, cores=MACHINE_CORES, gpu=0
    )
    machine = msgspec.convert(began.machine, Machine)
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder)) as journal:
        for event in events:
            if isinstance(event, Done):
                journal.append(Done(trial=_again(event.trial, aim, space, machine)))
            elif not isinstance(event, Decided | Ended):
                journal.append(event)
        rules = Rules(way="strides", budget_s=1e9)
        climbed = Ladder(space, aim, Over(), journal, rules).climb(began.baseline)
        told = told_of(climbed, journal, aim, machine)
    (lane / "replayed.html").write_text(page(told), encoding="utf-8")
    return as_table(told)


def _again(trial: Trial, aim: Objective, space: Space, machine: Machine) -> Trial:
    rungs = tuple(_rung(rung, aim) for rung in trial.rungs)
    cut = trial.failure is not None and trial.failure.kind == "load failed" and CUT_SHORT in trial.failure.why
    if not rungs or (trial.failure is not None and not cut):
        return trial
    made = msgspec.structs.replace(trial, rungs=rungs, outcome="measured", failure=None, score=score(rungs, aim))
    best = made.best
    weights = space.loaded.weights.get(str(getattr(space.engine, "weights", "")))
    far = distance(best, made.setting, weights, machine, aim) if best is not None and weights is not None else None
    return msgspec.structs.replace(made, distance=far or trial.distance)


def _rung(rung: Rung, aim: Objective) -> Rung:
    return msgspec.structs.replace(
        rung,
        answer_tokens=rung.answer_tokens or float(aim.output_tokens.tokens),
        e2e_mean_ms=rung.e2e_mean_ms or rung.e2e_p50_ms,
        tokens_sd=rounds_sd(rung.e2e_p50_ms, rung.e2e_p95_ms, rung.sent / rung.concurrency),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
