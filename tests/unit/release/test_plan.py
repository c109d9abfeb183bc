"""A saved plan is whole, unedited, and for exactly what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from forebay.core.errors import StateError
from forebay.engines.spec import EngineSpec
from forebay.release.plan import Basis, Plan, read, refuse_moved, save
from forebay.release.price import Observed, Price, UnitChange, price
from forebay.release.running import Strategy
from forebay.release.strategy import surges

BASIS = Basis(environment="staging", service="shop", release="v1", digest="a" * 64, live="b" * 16)
PLAN = Plan(
    basis=BASIS, digest="c" * 64, steps=(), price=Price(units={}, total_s=0), files={"config/staging.json": b"{}"}
)


def engine(name: str, model: str = "m", gpus: str = "", **more: Any) -> EngineSpec:
    env = {"CUDA_VISIBLE_DEVICES": gpus} if gpus else {}
    return EngineSpec(name=name, model=model, kind="vllm", argv=("vllm",), env=env, max_outstanding=1, **more)


def test_a_plan_is_read_as_it_was_saved(tmp_path: Path) -> None:
    save(PLAN, tmp_path / "plan")
    found = read(tmp_path / "plan")
    assert msgspec.structs.replace(found, seal="") == PLAN
    refuse_moved(found, BASIS)


def test_a_plan_that_was_cut_anywhere_is_refused(tmp_path: Path) -> None:
    save(PLAN, tmp_path / "plan")
    content = (tmp_path / "plan").read_bytes().rstrip()
    for length in range(0, len(content), 7):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(StateError):
            read(tmp_path / "cut")


def test_a_plan_that_was_edited_in_any_value_is_refused(tmp_path: Path) -> None:
    save(PLAN, tmp_path / "plan")
    content = (tmp_path / "plan").read_bytes()
    for old, new in (
        (b"staging", b"product"),
        (b'"v1"', b'"v2"'),
        (b'"auto"', b'"surge"'),
        (b"ccc", b"ddd"),
        (b"e30=", b"e28="),
    ):
        assert old in content
        (tmp_path / "edited").write_bytes(content.replace(old, new))
        with pytest.raises(StateError, match="edited"):
            read(tmp_path / "edited")


@pytest.mark.parametrize(
    ("field", "why"),
    [("environment", "staging"), ("service", "shop"), ("digest", "starts from v1"), ("live", "has changed")],
)
def test_a_plan_for_something_else_is_refused(field: str, why: str) -> None:
    with pytest.raises(StateError, match=why):
        refuse_moved(PLAN, msgspec.structs.replace(BASIS, **{field: "other"}))


@pytest.mark.parametrize(
    ("fleet", "strategy", "beside"),
    [
        ([engine("a")], "auto", True),
        ([engine("a"), engine("b")], "auto", False),
        ([engine("a"), engine("b", model="other")], "auto", True),
        ([engine("a"), engine("b")], "surge", True),
        ([engine("a")], "in-place", False),
        ([engine("a", gpus="0,1")], "auto", False),
        ([engine("a", gpus="0,1")], "surge", False),
        ([engine("a", gpus="2,3")], "surge", True),
    ],
)
def test_an_engine_starts_beside_the_old_one_only_where_there_is_room(
    fleet: list[EngineSpec], strategy: Strategy, beside: bool
) -> None:
    wanted = engine("a", gpus="0,1" if any(each.env for each in fleet) else "")
    assert surges(wanted, fleet, strategy) is beside


def test_an_engine_with_a_port_of_its_own_cannot_start_beside_the_old_one() -> None:
    assert not surges(engine("a", port=9000), [engine("a", port=9000)], "surge")


def test_the_price_of_six_engines_on_a_full_node() -> None:
    fleet = tuple(engine(f"e{n}", gpus=f"{2 * n},{2 * n + 1}", drain_s=120.0) for n in range(6))
    changes = [UnitChange(name=each.name, kind="engine", means="restarts", engine=each) for each in fleet]
    seen = Observed(start_s={each.name: 110.0 for each in fleet}, call_p99_s=90.0)
    found = price(changes, fleet, "auto", seen)
    assert (found.engines, found.warm_up_s, found.spare_gpus, found.drain_s) == (6, 660.0, 12, 90.0)
    assert found.total_s == 6 * (110 + 90)
    assert found.seen
    assert found.without == ()
    for words in ("6 engines warm up, 11 min in all", "needs 12 spare GPUs, or drains 1 at a time", "p99 drain"):
        assert words in str(found)


def test_without_observations_the_limits_are_the_price() -> None:
    only = engine("a", gpus="0", start_s=900.0, drain_s=120.0)
    change = UnitChange(name="a", kind="engine", means="restarts", engine=only)
    found = price([change], (only,), "auto", Observed())
    assert (found.warm_up_s, found.drain_s, found.seen) == (900.0, 120.0, False)
    assert found.without == ("m",)
    assert "calls for m wait meanwhile" in str(found)


def test_nothing_costs_nothing() -> None:
    assert str(price([], (), "auto", Observed())) == "nothing is restarted"
