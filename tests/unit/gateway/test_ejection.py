"""An engine whose calls fail is left alone, asked again by one call at a time, and the last is never ejected."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.in_memory import Gateway

from forebay.gateway.fleet import EngineSlot
from forebay.gateway.routing.policy import BreakerPolicy
from forebay.gateway.routing.want import NOTHING

POLICY = BreakerPolicy(window_s=10, failures=4, failure_ratio=0.5, open_s=5, longest_s=15, max_ejected_ratio=0.5)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    found = Gateway(tmp_path, engines=3)
    found.fleet.route({}, POLICY)
    return found


def fail(slot: EngineSlot, times: int = 4) -> None:
    for _ in range(times):
        slot.erred("status_500")


def names(gateway: Gateway) -> set[str]:
    return {slot.ref.name for slot in gateway.slots if slot.has_place(gateway.clock.now)}


def test_failures_below_either_bound_eject_nobody(gateway: Gateway) -> None:
    few, diluted, _ = gateway.slots
    fail(few, 3)
    for _ in range(5):
        diluted.answered()
    fail(diluted)
    assert names(gateway) == {"e1", "e2", "e3"}


def test_failures_that_lie_further_back_than_the_window_do_not_count(gateway: Gateway) -> None:
    slot = gateway.slots[0]
    fail(slot, 3)
    for _ in range(11):
        gateway.clock.now += 1
        gateway.fleet.sweep(gateway.clock.now)
    fail(slot, 3)
    assert not slot.ejected


def test_an_ejected_engine_gets_one_call_at_a_time_until_it_answers(gateway: Gateway) -> None:
    slot = gateway.slots[0]
    fail(slot)
    assert names(gateway) == {"e2", "e3"}
    gateway.clock.now += 5
    slot.enter()
    assert names(gateway) == {"e2", "e3"}, "a second call beside the probe"
    slot.withdrawn()
    slot.leave()
    assert names(gateway) == {"e1", "e2", "e3"}, "the probe's client left, the next call is the probe"
    slot.enter()
    slot.answered()
    slot.leave()
    slot.enter()
    assert names(gateway) == {"e1", "e2", "e3"}
    states = [change.state for change in gateway.fleet.ejection.take_changes()]
    assert states == ["open", "half_open", "half_open", "closed"]
    assert gateway.counted("forebay_breaker_changes_total", "e1", "half_open") == 2


def test_a_probe_that_fails_doubles_the_time_up_to_the_longest(gateway: Gateway) -> None:
    slot = gateway.slots[0]
    fail(slot)
    for open_s in (5, 10, 15, 15):
        gateway.clock.now += open_s - 0.01
        assert "e1" not in names(gateway)
        gateway.clock.now += 0.02
        slot.enter()
        slot.failed("reset")
        slot.leave()
        assert gateway.counted("forebay_engine_ejected", "e1") == 1


def test_no_more_than_the_share_is_ejected_and_never_the_last(tmp_path: Path) -> None:
    for engines, ratio, most in ((1, 1.0, 0), (2, 0.5, 1), (2, 1.0, 1), (3, 0.1, 1), (4, 0.5, 2), (4, 1.0, 3)):
        gateway = Gateway(tmp_path, engines=engines)
        gateway.fleet.route({}, msgspec.structs.replace(POLICY, max_ejected_ratio=ratio))
        for slot in gateway.slots:
            fail(slot, 20)
        assert sum(slot.ejected for slot in gateway.slots) == most, (engines, ratio)


def test_when_the_others_go_the_ejected_are_asked_at_once(gateway: Gateway) -> None:
    fail(gateway.slots[0])
    others = [msgspec.structs.replace(each, routable=False) for each in gateway.snapshot.engines[1:]]
    gateway.fleet.update([gateway.snapshot.engines[0], *others])
    assert names(gateway) == set()
    gateway.fleet.sweep(gateway.clock.now)
    assert names(gateway) == {"e1"}


def test_what_says_nothing_of_the_engine_does_not_count(gateway: Gateway) -> None:
    slot = gateway.slots[0]
    for _ in range(50):
        slot.erred("event_too_long")
        slot.erred("refused")
    assert not slot.ejected


def test_an_engine_that_starts_anew_is_let_in(gateway: Gateway) -> None:
    slot = gateway.slots[0]
    fail(slot)
    first, *others = gateway.snapshot.engines
    gateway.fleet.update([msgspec.structs.replace(first, routable=False), *others])
    gateway.fleet.update([first, *others])
    assert names(gateway) == {"e1", "e2", "e3"}
    assert gateway.counted("forebay_engine_ejected", "e1") == 0


def test_a_policy_that_is_switched_off_lets_everybody_in(gateway: Gateway) -> None:
    fail(gateway.slots[0])
    gateway.fleet.route({}, BreakerPolicy(enabled=False))
    assert names(gateway) == {"e1", "e2", "e3"}
    fail(gateway.slots[0], 50)
    assert names(gateway) == {"e1", "e2", "e3"}


def test_an_avoided_engine_is_asked_again_when_the_only_other_is_ejected(tmp_path: Path) -> None:
    gateway = Gateway(tmp_path, engines=2)
    gateway.fleet.route({}, POLICY)
    fail(gateway.slots[0])
    chosen = gateway.fleet.choose("m", NOTHING, gateway.clock.now, {"e2"})
    assert chosen is gateway.slots[1]
