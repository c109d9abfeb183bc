"""What a ladder tells when it ends: every step with its figures, and the winner beside the baseline."""

from __future__ import annotations

from typing import Any

import msgspec

from forebay.messages import _
from forebay.tune.hardware import Machine
from forebay.tune.journal import Decided, Journal
from forebay.tune.ladder import Climbed
from forebay.tune.noise import noise_of
from forebay.tune.objective import Objective
from forebay.tune.trial import Cause, Distance, Rung, Trial

SCHEMA = 1


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A trial and what was decided on it. `times` is its score as a multiple of the baseline's."""

    trial: int
    label: str
    outcome: str
    verdict: str = ""
    why: str = ""
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    confirmed: bool = False
    score: float | None = None
    times: float | None = None
    start_s: float = 0.0
    whole_s: float = 0.0
    best: Rung | None = None
    rungs: tuple[Rung, ...] = ()
    reference: Rung | None = None
    distance: Distance | None = None
    causes: tuple[Cause, ...] = ()
    drift_nats: float | None = None
    same_share: float | None = None
    facts: dict[str, Any] = {}
    difference: dict[str, Any] = {}


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """One figure before and after; `change` is after / before - 1."""

    figure: str
    before: float
    after: float
    change: float


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The report. `winner` is what the engine's args, env and copies became."""

    model: str
    objective: Objective
    machine: Machine
    sessions: int
    trials: int
    finished: bool
    why: str
    noise_sd: float
    baseline: dict[str, Any]
    winner: dict[str, Any]
    changed: dict[str, Any]
    steps: tuple[Step, ...]
    sides: tuple[Side, ...]
    refused: dict[str, str]
    doubts: tuple[str, ...] = ()
    patch: str = ""
    release: str = ""
    schema: int = SCHEMA


def told_of(climbed: Climbed, journal: Journal, objective: Objective, machine: Machine) -> Told:
    """The report of a ladder, its earlier sessions included."""
    began = journal.began
    decided = {event.trial: event for event in journal.decisions if event.trial is not None}
    base = climbed.baseline
    winner = climbed.present.latest
    return Told(
        model=str(began.asked.get("model", "")) if began else "",
        objective=objective,
        machine=machine,
        sessions=journal.sessions,
        trials=len(journal.trials),
        finished=climbed.finished,
        why=climbed.why,
        noise_sd=noise_of(journal.trials).sd,
        baseline=msgspec.to_builtins(base.setting),
        winner=msgspec.to_builtins(winner.setting),
        changed=winner.setting.difference(base.setting),
        steps=tuple(_step(trial, decided.get(trial.id), base) for trial in journal.trials),
        sides=sides(base, winner),
        refused=climbed.refused,
        doubts=_doubts(climbed, objective),
    )


def sides(base: Trial, winner: Trial) -> tuple[Side, ...]:
    """Baseline and winner, each at its best load, and the winner under the baseline's load."""
    before, after = base.best, winner.best
    if before is None or after is None:
        return ()
    found = [*_figures(before, after, "")]
    equal = winner.at(before.concurrency)
    if equal is not None and equal is not after:
        found += _figures(before, equal, f" at {before.concurrency} in flight")
    return tuple(found)


def as_table(told: Told) -> str:
    """For a terminal."""
    lines = [
        _("{trials} trials in {sessions} sessions on {machine}: {why}").format(
            trials=told.trials, sessions=told.sessions, machine=told.machine.name, why=told.why
        ),
        "",
    ]
    head = ("#", _("CHANGE"), _("TOKENS/S"), _("TIMES"), _("LOAD"), "TTFT P95", "E2E P50", _("ROOFLINE"), _("VERDICT"))
    rows = [head, *(_row(step) for step in told.steps)]
    widths = [max(len(str(row[place])) for row in rows) for place in range(len(head))]
    lines += ["  ".join(str(cell).ljust(widths[place]) for place, cell in enumerate(row)).rstrip() for row in rows]
    lines.append("")
    lines += [f"{side.figure}: {side.before:,.1f} -> {side.after:,.1f} ({side.change:+.1%})" for side in told.sides]
    lines += [f"! {doubt}" for doubt in told.doubts]
    if told.patch:
        lines += ["", told.patch]
    return "\n".join(lines)


def _step(trial: Trial, decided: Decided | None, base: Trial) -> Step:
    reference = base.best
    return Step(
        trial=trial.id,
        label=trial.label,
        outcome=trial.failure.kind if trial.failure is not None else trial.outcome,
        verdict=decided.verdict if decided else "",
        why=decided.why if decided else (trial.failure.why if trial.failure else ""),
        gain=decided.gain if decided else None,
        low=decided.low if decided else None,
        high=decided.high if decided else None,
        confirmed=decided.confirmed if decided else False,
        score=trial.score.value if trial.score else None,
        times=trial.score.value / base.score.value if trial.score and base.score else None,
        start_s=trial.start_s,
        whole_s=trial.whole_s,
        best=trial.best,
        rungs=trial.rungs,
        reference=trial.at(reference.concurrency) if reference else None,
        distance=trial.distance,
        causes=trial.causes,
        drift_nats=trial.answers.drift_nats if trial.answers else None,
        same_share=trial.answers.same_share if trial.answers else None,
        facts=trial.facts,
        difference=trial.setting.difference(base.setting),
    )


def _figures(before: Rung, after: Rung, where: str) -> list[Side]:
    pairs = (
        ("output tokens/s", before.steady_tokens_per_s, after.steady_tokens_per_s),
        ("requests/s", before.requests_per_s, after.requests_per_s),
        ("TTFT P95 ms", before.ttft_p95_ms, after.ttft_p95_ms),
        ("TPOT P50 ms", before.tpot_p50_ms, after.tpot_p50_ms),
        ("E2E P50 ms", before.e2e_p50_ms, after.e2e_p50_ms),
        ("E2E P95 ms", before.e2e_p95_ms, after.e2e_p95_ms),
        ("E2E P99 ms", before.e2e_p99_ms, after.e2e_p99_ms),
        ("cost of a token, as a share", 1.0, _ratio(before.steady_tokens_per_s, after.steady_tokens_per_s)),
    )
    return [
        Side(figure=f"{name}{where}", before=first, after=second, change=second / first - 1)
        for name, first, second in pairs
        if first and second
    ]


def _ratio(before: float, after: float) -> float:
    return before / after if after else 0.0


def _doubts(climbed: Climbed, objective: Objective) -> tuple[str, ...]:
    """What makes the result less than it seems."""
    found = []
    latest = climbed.present.latest
    if latest.score is not None and not latest.score.kept:
        found.append(_("no load that was measured keeps the bounds of {objective}").format(objective=objective.name))
    if latest.setting.args.get("load-format") == "dummy":
        found.append(_("the weights are random: speed is real, but the quality gate has seen no real answers"))
    if latest is not climbed.baseline and len([each for each in climbed.seen if each.setting == latest.setting]) < 2:
        found.append(_("the winner was started once: resume with more budget to confirm it"))
    if latest.best is not None:
        found += latest.best.doubts
    return tuple(found)


def _row(step: Step) -> tuple[str, ...]:
    best = step.best
    verdict = step.verdict or step.outcome
    if step.gain is not None:
        verdict += f" {step.gain - 1:+.1%}"
    return (
        str(step.trial),
        step.label,
        f"{best.steady_tokens_per_s:,.0f}" if best else "",
        f"{step.times:.2f}" if step.times else "",
        str(best.concurrency) if best else "",
        f"{best.ttft_p95_ms:,.0f}" if best else "",
        f"{best.e2e_p50_ms:,.0f}" if best else "",
        f"{step.distance.ratio:.0%}" if step.distance else "",
        verdict,
    )
