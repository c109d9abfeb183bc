"""Which unit an engine is, whatever runs already, and when a change has come about or failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from forebay.controller.judging import Seen, judge
from forebay.controller.placing import Fleet, place
from forebay.controller.plan import Planned
from forebay.controller.probes import ServiceProbe
from forebay.controller.unit import Desired
from forebay.core.proc import Identity
from forebay.engines.record import UnitRecord
from forebay.engines.spec import EngineSpec, UnitSpec

OLD, NEW = "a" * 16, "b" * 16


def spec(name: str, **more: Any) -> EngineSpec:
    return EngineSpec(name=name, model="m", kind="embedded", argv=("x",), max_outstanding=1, **more)


def planned(engine: EngineSpec, digest: str = NEW) -> Planned:
    unit = UnitSpec(name=engine.name, argv=engine.argv, log="log")
    desired = Desired(
        name=engine.name, kind="engine", digest=digest, port=0, make=lambda _port: unit, log=Path("log"), engine=engine
    )
    return desired, ServiceProbe("127.0.0.1", None)


def record(name: str, digest: str) -> UnitRecord:
    return UnitRecord(name=name, digest=digest, port=1, holder=Identity(1, 1, ""), started_at=0.0)


def placed(running: dict[str, str], fleet: Fleet, *wanted: EngineSpec) -> tuple[list[str], dict[str, str]]:
    seen = {name: record(name, digest) for name, digest in running.items()}
    found = place({each.name: planned(each) for each in wanted}, seen, fleet, lambda spec, _slot: planned(spec))
    assert {name: desired.engine and desired.engine.name for name, (desired, _probe) in found.units.items()} == {
        name: name for name in found.units
    }
    for name, (_successor, (desired, _probe)) in found.leaving.items():
        assert desired.digest == running[name], "it is to leave, not to be replaced"
    return list(found.units), {name: successor for name, (successor, _planned) in found.leaving.items()}


MARKED = f"e.{NEW[:6]}"
ONE, TWO = Fleet((spec("e"),)), Fleet((spec("e"), spec("f")))


@pytest.mark.parametrize(
    ("running", "fleet", "units", "leaving"),
    [
        ({}, ONE, ["e"], {}),
        ({"e": NEW}, ONE, ["e"], {}),
        ({"e": OLD}, ONE, [MARKED], {"e": MARKED}),
        ({"e": OLD}, TWO, ["e"], {}),
        ({"e": OLD, MARKED: NEW}, ONE, [MARKED], {"e": MARKED}),
        ({MARKED: NEW}, TWO, [MARKED], {}),
        ({"e": NEW, MARKED: OLD}, ONE, ["e"], {MARKED: "e"}),
        ({"e.cccccc": OLD}, TWO, ["e.cccccc"], {}),
        ({"e": OLD}, Fleet((spec("e"),), "in-place"), ["e"], {}),
        ({"e": OLD}, Fleet(TWO.engines, "surge"), [MARKED], {"e": MARKED}),
        ({"e": OLD}, Fleet(TWO.engines, "auto", frozenset({"e"})), [MARKED], {"e": MARKED}),
        ({"e": OLD, "e.cccccc": "c" * 16}, ONE, [MARKED], {"e": MARKED, "e.cccccc": MARKED}),
    ],
)
def test_an_engine_is_the_unit_that_runs_so_the_old_ones_place_or_a_new_one_beside_it(
    running: dict[str, str], fleet: Fleet, units: list[str], leaving: dict[str, str]
) -> None:
    assert placed(running, fleet, spec("e")) == (units, leaving)


def test_a_second_look_finds_what_the_first_one_has_begun() -> None:
    """A controller that was killed in between continues; it starts nothing twice."""
    for fleet in (ONE, TWO):
        units, _leaving = placed({"e": OLD}, fleet, spec("e"))
        assert placed({"e": OLD, **dict.fromkeys(units, NEW)}, fleet, spec("e"))[0] == units


def test_an_engine_that_an_operator_calls_like_a_marked_one_is_its_own() -> None:
    assert placed({"e": NEW, MARKED: NEW}, TWO, spec("e"), spec(MARKED)) == (["e", MARKED], {})


def unit(name: str, state: str = "ready", **more: Any) -> Seen:
    base = Seen(name=name, slot=name, state=state, reason="so", failed_starts=0, lived_s=0.0, outdated=False)
    return msgspec.structs.replace(base, **more)


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        ([unit("e"), unit("f")], "done"),
        ([unit("e", "starting")], "wait"),
        ([unit("e", outdated=True)], "wait"),
        ([unit("e", "failed", failed_starts=1)], "wait"),
        ([unit("e", "failed", failed_starts=2)], "failed"),
        ([unit("e", "failed", failed_starts=1, lived_s=900.0)], "failed"),
        ([unit("e", "starting", overdue=True)], "failed"),
        ([unit("e", "starting", overdue=True, outdated=True)], "wait"),
        ([unit("e"), unit("other", "starting", overdue=True)], "done"),
        ([unit("e"), unit("other", "failed", failed_starts=5)], "done"),
        ([unit("e.abcdef", "starting", slot="e")], "wait"),
        ([], "done"),
    ],
)
def test_a_change_is_judged_by_what_it_touches(seen: list[Seen], kind: str) -> None:
    assert judge(seen, {"e", "f"}, "", late=False, taken=True).kind == kind


def test_a_change_waits_for_every_worker_and_not_for_ever() -> None:
    assert judge([unit("e")], {"e"}, "", late=False, taken=False).kind == "wait"
    behind = judge([unit("e")], {"e"}, "", late=True, taken=False)
    assert behind.why == "not ready in time: the workers or the edge are behind"
    late = judge([unit("e", "warming")], {"e"}, "", late=True, taken=True)
    assert (late.kind, late.why) == ("failed", "not ready in time: e is warming: so")
    assert judge([unit("e")], {"e"}, "refused", late=False, taken=True).why == "refused"
