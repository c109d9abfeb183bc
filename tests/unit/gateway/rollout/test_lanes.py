"""Claims about which calls a canary gets."""

from __future__ import annotations

from collections import Counter

import pytest

from forebay.gateway.call import Ledger
from forebay.gateway.rollout.lanes import Lanes
from forebay.gateway.rollout.policy import RolloutPolicy

ENGINES = ("a", "b", "base", "new")
POLICY = RolloutPolicy(id="r1", canary=("new",), baseline=("base",), share_ratio=0.1)


def lanes(**changes: object) -> Lanes:
    fields = {name: getattr(POLICY, name) for name in POLICY.__struct_fields__}
    return Lanes(RolloutPolicy(**{**fields, **changes}), ENGINES)


def ledger(number: int = 0, tenant: str = "t") -> Ledger:
    return Ledger(0.0, request_id=f"request-{number}", tenant=tenant)


def test_canary_and_baseline_get_the_same_share_and_the_rest_stays() -> None:
    policy, counts = lanes(), Counter[str]()
    for number in range(20_000):
        held = ledger(number)
        policy.assign(held, "", b"")
        counts[held.lane] += 1
    assert counts["canary"] == pytest.approx(2000, rel=0.1)
    assert counts["baseline"] == pytest.approx(2000, rel=0.1)
    assert counts["canary"] + counts["baseline"] + counts["stable"] == 20_000


@pytest.mark.parametrize(
    ("lane", "left"), [("canary", {"new"}), ("baseline", {"base"}), ("stable", {"a", "b"}), ("chosen", {"new"})]
)
def test_a_lane_leaves_its_own_engines(lane: str, left: set[str]) -> None:
    assert set(ENGINES) - lanes().left_out(lane) == left  # type: ignore[arg-type]


def test_with_nobody_else_the_baseline_serves_the_rest() -> None:
    policy = Lanes(POLICY, ("base", "new"))
    assert {"base", "new"} - policy.left_out("stable") == {"base"}


def test_a_session_goes_one_way_and_another_rollout_draws_anew() -> None:
    policy, other = lanes(share_ratio=0.5), lanes(share_ratio=0.5, id="r2")

    def ways(chosen: Lanes) -> list[str]:
        found = []
        for session in range(200):
            held = {_lane(chosen, number, f"s{session}") for number in range(3)}
            assert len(held) == 1
            found += held
        return found

    assert ways(policy) != ways(other)


def _lane(policy: Lanes, number: int, session: str) -> str:
    held = ledger(number)
    policy.assign(held, session, b"")
    return held.lane


@pytest.mark.parametrize(
    ("header", "allowed", "expected"),
    [(b"canary", True, "chosen"), (b"stable", True, "stable"), (b"canary", False, None), (b"other", True, None)],
)
def test_a_header_chooses_only_where_it_may(header: bytes, allowed: bool, expected: str | None) -> None:
    held, plain = ledger(7), ledger(7)
    lanes(by_header=allowed).assign(held, "", header)
    lanes().assign(plain, "", b"")
    assert held.lane == (expected or plain.lane)


def test_a_tenant_that_was_named_goes_to_the_canary_and_is_not_compared() -> None:
    held = ledger(tenant="pilot")
    lanes(tenants=("pilot",), share_ratio=0.0).assign(held, "", b"")
    assert held.lane == "chosen"


def test_only_stable_calls_are_mirrored_and_so_many() -> None:
    policy, mirrored = lanes(share_ratio=0.0, shadow_ratio=0.2), 0
    for number in range(5000):
        held = ledger(number)
        policy.assign(held, "", b"")
        mirrored += policy.mirrors(held)
    assert mirrored == pytest.approx(1000, rel=0.15)
    chosen = ledger()
    lanes(tenants=("t",), shadow_ratio=1.0).assign(chosen, "", b"")
    assert not lanes(shadow_ratio=1.0).mirrors(chosen)
