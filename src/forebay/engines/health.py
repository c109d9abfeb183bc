"""The state of an engine, judged from evidence. Pure: the same evidence gives the same state.

starting  its process runs, /health does not answer yet
warming   /health answers, the first generation has not succeeded yet
ready     takes calls
stalled   alive but does not get on with its work; recovers by itself or is given up
draining  asked to leave: takes no new calls
failed    ended, or given up; only a new start helps
"""

from __future__ import annotations

from typing import Literal

import msgspec

from forebay.engines.scrape import EngineLoad

State = Literal["starting", "warming", "ready", "stalled", "draining", "failed"]

UNHEALTHY_S = 5.0
"""How long /health may be silent before a ready engine counts as stalled: one slow answer is no illness."""

GIVE_UP_FACTOR = 2.0
"""A stalled engine is given up after this many times its `stall_s`."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in one round. `ended` says how the process ended, or None while it lives.

    `warmed_at_s` is when a warm-up generation last succeeded; `load` is None where the metrics page gave nothing.
    `waits` says what keeps a cluster from putting it anywhere.
    """

    ended: str | None = None
    answers: bool
    warmed_at_s: float | None = None
    load: EngineLoad | None = None
    leave: bool = False
    waits: str = ""


class Patience(msgspec.Struct, frozen=True):
    """How long an engine may take, in seconds. `owned`: forebay can start it again."""

    start_s: float
    stall_s: float
    owned: bool = True


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A state, why, since when, and what must be remembered to judge the next round."""

    state: State = "starting"
    reason: str = "the process has been started"
    since_s: float
    begun_s: float
    answered_s: float | None = None
    progress: float | None = None
    moved_s: float | None = None

    @property
    def routable(self) -> bool:
        return self.state == "ready"


def begin(now_s: float) -> Health:
    """A process that has just been started."""
    return Health(since_s=now_s, begun_s=now_s)


def advance(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    """The state after this round."""
    if health.state == "failed":
        return health
    if evidence.ended is not None:
        return _enter(health, "failed", evidence.ended, now_s)
    health = _remember(health, evidence, now_s)
    if evidence.leave:
        return _enter(health, "draining", "it was asked to leave", now_s)
    return _RULES[health.state](health, evidence, patience, now_s)


def _starting(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    if evidence.answers and _is_warm(health, evidence):  # what generates nothing needs no warming
        return _enter(health, "ready", "it answers", now_s)
    if evidence.answers:
        return _enter(health, "warming", "waits for its first generation", now_s)
    if evidence.waits and evidence.waits != health.reason:
        health = msgspec.structs.replace(health, reason=evidence.waits)
    return _unless_late(health, evidence.waits or "/health did not answer", patience, now_s)


def _warming(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    if _is_warm(health, evidence):
        return _enter(health, "ready", "it answers and generates", now_s)
    return _unless_late(health, "no warm-up generation succeeded", patience, now_s)


def _ready(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    why = _hindered(health, evidence, patience, now_s)
    return health if why is None else _enter(health, "stalled", why, now_s)


def _stalled(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    moved = health.moved_s is not None and health.moved_s > health.since_s
    if evidence.answers and moved and evidence.load is not None:
        return _enter(health, "ready", "it gets on with its work again", now_s)
    if evidence.answers and not _holds_work(evidence.load) and (evidence.load or health.progress is None):
        # The work is gone, by aborts perhaps: only a generation shows whether the engine still can.
        return _enter(health, "warming", "idle again, must generate once", now_s, begun_s=now_s)
    if patience.owned and now_s - health.since_s > GIVE_UP_FACTOR * patience.stall_s:
        return _enter(health, "failed", f"given up: {health.reason}", now_s)
    return health


def _draining(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    return _enter(health, "starting", "it may take calls again", now_s, begun_s=now_s)


_RULES = {
    "starting": _starting,
    "warming": _warming,
    "ready": _ready,
    "stalled": _stalled,
    "draining": _draining,
}


def _is_warm(health: Health, evidence: Evidence) -> bool:
    return evidence.warmed_at_s is not None and evidence.warmed_at_s >= health.since_s


def _hindered(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> str | None:
    """Why a ready engine does not get on; None where nothing speaks against it."""
    if health.answered_s is not None and now_s - health.answered_s > UNHEALTHY_S:
        return f"/health has not answered for {now_s - health.answered_s:.0f} s"
    if health.moved_s is None or now_s - health.moved_s <= patience.stall_s:
        return None
    stuck_s = now_s - health.moved_s
    if evidence.load is None:
        return f"its metrics have not answered for {stuck_s:.0f} s"
    return f"it holds {evidence.load.held} calls and has made no token for {stuck_s:.0f} s"


def _remember(health: Health, evidence: Evidence, now_s: float) -> Health:
    """Note answers and progress. An idle engine moves by definition; without metrics none is judged by them."""
    if evidence.answers:
        health = msgspec.structs.replace(health, answered_s=now_s)
    load = evidence.load
    if load is None or load.progress is None or load.held is None:
        return health
    if load.progress != health.progress or not load.held:
        # Idleness is progress for a ready engine alone: a stalled one must show a moving counter.
        idle_and_stalled = health.state == "stalled" and load.progress == health.progress
        moved_s = health.moved_s if idle_and_stalled else now_s
        return msgspec.structs.replace(health, progress=load.progress, moved_s=moved_s)
    return health


def _holds_work(load: EngineLoad | None) -> bool:
    return load is not None and bool(load.held)


def _unless_late(health: Health, what: str, patience: Patience, now_s: float) -> Health:
    if not patience.owned or now_s - health.begun_s <= patience.start_s:
        return health
    return _enter(health, "failed", f"{what} within {patience.start_s:g} s", now_s)


def _enter(health: Health, state: State, reason: str, now_s: float, **more: float) -> Health:
    if state == health.state:
        return health
    fresh = {"moved_s": now_s} if state == "ready" and health.progress is not None else {}
    return msgspec.structs.replace(health, state=state, reason=reason, since_s=now_s, **fresh, **more)
