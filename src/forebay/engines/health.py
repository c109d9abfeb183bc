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
from forebay.messages.reasons import Reason, because

State = Literal["starting", "warming", "ready", "stalled", "draining", "failed"]

UNHEALTHY_S = 5.0
"""How long /health may be silent before a ready engine counts as stalled: one slow answer is no illness."""

GIVE_UP_FACTOR = 2.0
"""A stalled engine is given up after this many times its `stall_s`."""


_NO_ROOM = ("no_host", "no_node", "unscheduled", "said")
"""What others may end by leaving; `said` are a cluster's own words on a quota that is used up."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen in one round. `ended` says how the process ended, or None while it lives.

    `warmed_at_s` is when a warm-up generation last succeeded; `load` is None where the metrics page gave nothing.
    `waits` says what keeps a cluster from putting it anywhere.
    """

    ended: Reason | None = None
    answers: bool
    warmed_at_s: float | None = None
    load: EngineLoad | None = None
    leave: bool = False
    waits: Reason | None = None


class Patience(msgspec.Struct, frozen=True):
    """How long an engine may take, in seconds. `owned`: forebay can start it again."""

    start_s: float
    stall_s: float
    owned: bool = True


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """A state, why, since when, and what must be remembered to judge the next round.

    `waits_since_s`: since when it waits for a place somewhere, which `why` tells; None while it does not. Where it
    waits for room, the time for a start begins once there is some.
    """

    state: State = "starting"
    why: Reason = because("process_started")
    since_s: float
    begun_s: float
    waits_since_s: float | None = None
    answered_s: float | None = None
    progress: float | None = None
    moved_s: float | None = None

    @property
    def reason(self) -> str:
        """Why, in English: for logs."""
        return str(self.why)

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
        return _enter(health, "draining", because("leaves"), now_s)
    return _RULES[health.state](health, evidence, patience, now_s)


def _starting(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    if evidence.answers and _is_warm(health, evidence):  # what generates nothing needs no warming
        return _enter(health, "ready", because("answers"), now_s)
    if evidence.answers:
        return _enter(health, "warming", because("generation_awaited"), now_s)
    if evidence.waits is not None:
        since_s = now_s if health.waits_since_s is None else health.waits_since_s
        health = msgspec.structs.replace(health, why=evidence.waits, waits_since_s=since_s)
        if evidence.waits.code not in _NO_ROOM:
            return _enter(health, "failed", evidence.waits, now_s) if _is_late(health, patience, now_s) else health
        return msgspec.structs.replace(health, begun_s=now_s)  # another try would wait for the same
    if health.waits_since_s is not None:
        health = msgspec.structs.replace(health, why=because("process_started"), waits_since_s=None)
    return _unless_late(health, because("health_never"), patience, now_s)


def _warming(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    if _is_warm(health, evidence):
        return _enter(health, "ready", because("generates"), now_s)
    return _unless_late(health, because("generation_never"), patience, now_s)


def _ready(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    why = _hindered(health, evidence, patience, now_s)
    return health if why is None else _enter(health, "stalled", why, now_s)


def _stalled(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    moved = health.moved_s is not None and health.moved_s > health.since_s
    if evidence.answers and moved and evidence.load is not None:
        return _enter(health, "ready", because("works_again"), now_s)
    if evidence.answers and not _holds_work(evidence.load) and (evidence.load or health.progress is None):
        # The work is gone, by aborts perhaps: only a generation shows whether the engine still can.
        return _enter(health, "warming", because("idle_again"), now_s, begun_s=now_s)
    if patience.owned and now_s - health.since_s > GIVE_UP_FACTOR * patience.stall_s:
        return _enter(health, "failed", because("given_up", why=health.why), now_s)
    return health


def _draining(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Health:
    return _enter(health, "starting", because("wanted_again"), now_s, begun_s=now_s)


_RULES = {
    "starting": _starting,
    "warming": _warming,
    "ready": _ready,
    "stalled": _stalled,
    "draining": _draining,
}


def _is_warm(health: Health, evidence: Evidence) -> bool:
    return evidence.warmed_at_s is not None and evidence.warmed_at_s >= health.since_s


def _hindered(health: Health, evidence: Evidence, patience: Patience, now_s: float) -> Reason | None:
    """Why a ready engine does not get on; None where nothing speaks against it."""
    if health.answered_s is not None and now_s - health.answered_s > UNHEALTHY_S:
        return because("health_silent", seconds=round(now_s - health.answered_s))
    if health.moved_s is None or now_s - health.moved_s <= patience.stall_s:
        return None
    stuck_s = now_s - health.moved_s
    if evidence.load is None:
        return because("metrics_silent", seconds=round(stuck_s))
    return because("stuck", calls=evidence.load.held or 0, seconds=round(stuck_s))


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


def _unless_late(health: Health, what: Reason, patience: Patience, now_s: float) -> Health:
    if not _is_late(health, patience, now_s):
        return health
    return _enter(health, "failed", because("late", what=what, seconds=patience.start_s), now_s)


def _is_late(health: Health, patience: Patience, now_s: float) -> bool:
    return patience.owned and now_s - health.begun_s > patience.start_s


def _enter(health: Health, state: State, why: Reason, now_s: float, **more: float) -> Health:
    if state == health.state:
        return health
    fresh = {"moved_s": now_s} if state == "ready" and health.progress is not None else {}
    return msgspec.structs.replace(health, state=state, why=why, since_s=now_s, waits_since_s=None, **fresh, **more)
