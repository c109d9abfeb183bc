"""How many copies are taken as running when a controller begins to scale."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec
import pytest
from tests.unit.controller.test_adopting import adopting
from tests.unit.controller.test_placing import NEW, OLD, planned, record, spec

from forebay.config.crosscheck.names import engine_names
from forebay.config.schema import Config
from forebay.controller.journal import Journal
from forebay.controller.judging import seen_of
from forebay.controller.placing import Fleet, place
from forebay.controller.scaling import Scaling
from forebay.engines.health import begin
from forebay.messages.reasons import because
from forebay.store.state_dir import StateDir

ENGINE = {"kind": "embedded", "count": 4, "scale": {"least": 1, "most": 4}}
CONFIG = Config.model_validate({"version": 1, "models": {"m": {"engines": [ENGINE]}}})
SLOTS = engine_names("m", CONFIG.models["m"].engines[0])
MARKED = tuple(f"{slot}.{NEW[:6]}" for slot in SLOTS)


@pytest.mark.parametrize(
    ("running", "copies"),
    [
        ({}, 1),
        (dict.fromkeys(SLOTS, NEW), 4),
        (dict.fromkeys(MARKED, NEW), 4),
        (dict.fromkeys(SLOTS, OLD), 4),
        (dict.fromkeys(SLOTS[:2], OLD) | dict.fromkeys(MARKED[:2], NEW), 2),
    ],
)
def test_copies_that_run_are_counted_whatever_their_units_are_called(
    tmp_path: Path, running: dict[str, str], copies: int
) -> None:
    specs = tuple(spec(slot) for slot in SLOTS)
    units = {each.name: planned(each) for each in specs}
    records = {name: record(name, digest) for name, digest in running.items()}
    found = place(units, records, Fleet(specs, "surge"), lambda one, _slot: planned(one))
    scaling = Scaling(StateDir(tmp_path), lambda: Journal("test", "error"))
    scaling.retarget(CONFIG, units, found.slots_of(running))
    assert [each.copies for each in scaling.status] == [copies]


def test_that_there_is_no_room_is_told_once_it_has_lasted_and_a_new_file_does_not_tell_it_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = {"kind": "embedded", "name": "e", "scale": {"least": 1, "most": 1}}
    config = Config.model_validate({"version": 1, "models": {"m": {"engines": [engine]}}})
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    keeper, units = adopting(state, os.getpid(), "starting"), {"e": planned(spec("e"))}
    journal = Journal("test", "warning")
    scaling = Scaling(state, lambda: journal)
    for waited_s, held in ((0.0, ""), (5.0, ""), (60.0, "no_room"), (70.0, "no_room")):
        scaling.retarget(config, units, {"e"})
        now_s = time.monotonic()
        waiting = msgspec.structs.replace(
            begin(now_s - 600.0), why=because("no_node", needs="1 GPU"), waits_since_s=now_s - waited_s
        )
        keeper.health = waiting
        scaling.turn([keeper], (), still=False)
        assert [each.held for each in scaling.status] == [held]
    assert capfd.readouterr().out.count("copies are ready") == 1


@pytest.mark.parametrize(("waited_s", "overdue"), [(None, False), (800.0, False), (1000.0, True)])
def test_what_waits_for_longer_than_a_start_may_take_is_overdue(
    tmp_path: Path, waited_s: float | None, overdue: bool
) -> None:
    state = StateDir(tmp_path / ".forebay")
    state.prepare()
    keeper, now_s = adopting(state, os.getpid(), "starting"), time.monotonic()
    since_s = None if waited_s is None else now_s - waited_s
    keeper.health = msgspec.structs.replace(begin(now_s), waits_since_s=since_s)
    assert seen_of(keeper).overdue == overdue
