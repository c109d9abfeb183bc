"""The state table of an engine: what evidence leads where."""

from __future__ import annotations

import pytest

from forebay.engines.health import Evidence, Health, Patience, State, advance, begin
from forebay.engines.scrape import EngineLoad
from forebay.messages.reasons import because

PATIENCE = Patience(start_s=100.0, stall_s=10.0)
EXTERNAL = Patience(start_s=100.0, stall_s=10.0, owned=False)


def load(held: int, progress: float) -> EngineLoad:
    return EngineLoad(running=held, waiting=0, progress=progress)


def answers(**more: object) -> Evidence:
    return Evidence(answers=True, **more)  # type: ignore[arg-type]


def silent(**more: object) -> Evidence:
    return Evidence(answers=False, **more)  # type: ignore[arg-type]


def at(state: State, since_s: float = 50.0, **more: float) -> Health:
    return Health(state=state, why=because("answers"), since_s=since_s, begun_s=0.0, answered_s=since_s, **more)


def ready(progress: float | None = 7.0) -> Health:
    return at("ready", progress=progress, moved_s=50.0) if progress is not None else at("ready")


STALLED = at("stalled", progress=7.0, moved_s=40.0)

TABLE = [
    ("starting, silent", begin(0.0), silent(), 50.0, "starting"),
    ("starting, silent for too long", begin(0.0), silent(), 101.0, "failed"),
    ("starting, answers", begin(0.0), answers(), 1.0, "warming"),
    ("starting, answers and needs no generation", begin(0.0), answers(warmed_at_s=1.0), 1.0, "ready"),
    ("starting, ended", begin(0.0), silent(ended=because("exit_status", status=1)), 1.0, "failed"),
    ("warming, no generation yet", at("warming"), answers(), 60.0, "warming"),
    ("warming, a generation of an earlier life", at("warming"), answers(warmed_at_s=49.0), 60.0, "warming"),
    ("warming, generated", at("warming"), answers(warmed_at_s=51.0), 60.0, "ready"),
    ("warming for too long", at("warming"), answers(), 101.0, "failed"),
    ("ready and idle for ever", ready(), answers(load=load(0, 7.0)), 9999.0, "ready"),
    ("ready, one slow /health", ready(), silent(load=load(0, 7.0)), 53.0, "ready"),
    ("ready, /health silent", ready(), silent(load=load(0, 7.0)), 56.0, "stalled"),
    ("ready, works and moves", ready(), answers(load=load(2, 8.0)), 70.0, "ready"),
    ("ready, works and has not moved for a while", ready(), answers(load=load(2, 7.0)), 59.0, "ready"),
    ("ready, works and does not move", ready(), answers(load=load(2, 7.0)), 61.0, "stalled"),
    ("ready, metrics gone for a while", ready(), answers(), 59.0, "ready"),
    ("ready, metrics gone", ready(), answers(), 61.0, "stalled"),
    ("ready, never had metrics", ready(None), answers(), 9999.0, "ready"),
    ("ready, asked to leave", ready(), answers(leave=True), 60.0, "draining"),
    ("ready, ended", ready(), silent(ended=because("exit_signal", signal="SIGKILL")), 60.0, "failed"),
    ("stalled, still stuck", STALLED, answers(load=load(2, 7.0)), 60.0, "stalled"),
    ("stalled, tokens flow again", STALLED, answers(load=load(2, 8.0)), 60.0, "ready"),
    ("stalled, emptied without a token", STALLED, answers(load=load(0, 7.0)), 60.0, "warming"),
    ("stalled, never recovers", STALLED, answers(load=load(2, 7.0)), 71.0, "failed"),
    ("stalled, asked to leave", STALLED, answers(leave=True), 60.0, "draining"),
    ("draining, still asked", at("draining"), answers(leave=True), 9999.0, "draining"),
    ("draining, silent", at("draining"), silent(leave=True), 9999.0, "draining"),
    ("draining, no longer asked", at("draining"), answers(), 60.0, "starting"),
    ("draining, ended", at("draining"), silent(ended=because("exit_status", status=0), leave=True), 60.0, "failed"),
    ("failed stays", at("failed"), answers(warmed_at_s=60.0), 60.0, "failed"),
]


@pytest.mark.parametrize(
    ("before", "evidence", "now_s", "after"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_evidence_leads_to(before: Health, evidence: Evidence, now_s: float, after: State) -> None:
    judged = advance(before, evidence, PATIENCE, now_s)
    assert judged.state == after
    assert judged.routable == (after == "ready")
    assert judged.reason


def test_an_external_engine_is_never_given_up() -> None:
    assert advance(begin(0.0), silent(), EXTERNAL, 9999.0).state == "starting"
    assert advance(STALLED, answers(load=load(2, 7.0)), EXTERNAL, 9999.0).state == "stalled"


def test_a_stalled_engine_says_what_it_holds_and_for_how_long() -> None:
    assert advance(ready(), answers(load=load(2, 7.0)), PATIENCE, 70.0).reason == (
        "it holds 2 calls and has made no token for 20 s"
    )


def test_work_that_begins_after_idle_hours_has_its_full_time() -> None:
    health = ready()
    for now_s in range(60, 4000, 60):
        health = advance(health, answers(load=load(0, 7.0)), PATIENCE, float(now_s))
    assert advance(health, answers(load=load(3, 7.0)), PATIENCE, 3969.0).state == "ready"


def test_the_time_for_a_start_begins_where_there_is_room() -> None:
    waiting, room = begin(0.0), because("no_node", needs="1 GPU")
    for now_s in range(0, 1000, 50):
        waiting = advance(waiting, silent(waits=room), PATIENCE, float(now_s))
        assert (waiting.state, waiting.why, waiting.waits_since_s) == ("starting", room, 0.0)
    placed = advance(waiting, silent(), PATIENCE, 1040.0)
    assert (placed.state, placed.waits_since_s) == ("starting", None)
    assert advance(placed, silent(), PATIENCE, 1060.0).state == "failed"


def test_an_image_that_cannot_be_pulled_is_not_waited_for_for_ever() -> None:
    missing = silent(waits=because("image_missing", why="no such image"))
    waiting = advance(begin(0.0), missing, PATIENCE, 100.0)
    assert (waiting.state, waiting.why, waiting.waits_since_s) == ("starting", missing.waits, 100.0)
    late = advance(waiting, missing, PATIENCE, 101.0)
    assert (late.state, late.why) == ("failed", missing.waits)
