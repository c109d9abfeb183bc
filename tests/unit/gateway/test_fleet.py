"""The engines of a new snapshot: counts and connections of those that stay are kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.in_memory import Gateway


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, engines=2)


def test_an_engine_that_stays_keeps_its_slot(gateway: Gateway) -> None:
    slot = gateway.slots[0]
    slot.enter()
    refs = [msgspec.structs.replace(each, max_outstanding=9) for each in gateway.snapshot.engines]
    gateway.fleet.update(refs)
    assert gateway.slots[0] is slot
    assert (slot.outstanding, slot.ref.max_outstanding) == (1, 9)
    assert gateway.fleet.largest_bound() == 9


def test_an_engine_that_goes_closes_what_is_idle_and_lets_its_calls_end(gateway: Gateway) -> None:
    slot = gateway.slots[0]
    idle = gateway.idle_connection()
    busy = gateway.idle_connection()
    busy_connection = slot.pool.take()
    assert busy_connection is busy.protocol
    slot.enter()
    gateway.fleet.update(gateway.snapshot.engines[1:])
    assert [each.ref.name for each in gateway.slots] == ["e2"]
    assert (idle.closing, busy.closing) == (True, False)
    slot.leave()
    busy_connection.release()
    assert busy.closing
    assert gateway.counted("forebay_engine_outstanding", "e1") == 0


def test_an_engine_that_moves_counts_old_and_new_calls(gateway: Gateway) -> None:
    old = gateway.slots[0]
    old.enter()
    gateway.fleet.update([msgspec.structs.replace(gateway.snapshot.engines[0], port=99)])
    new = gateway.slots[0]
    new.enter()
    new.enter()
    assert gateway.counted("forebay_engine_outstanding", "e1") == 3
    old.leave()
    assert gateway.counted("forebay_engine_outstanding", "e1") == 2
    assert (old.outstanding, new.outstanding) == (0, 2)


def test_an_engine_that_the_controller_brings_back_is_not_suspended(gateway: Gateway) -> None:
    slot = gateway.slots[0]
    slot.failed()
    first, second = gateway.snapshot.engines
    gateway.fleet.update([msgspec.structs.replace(first, routable=False), second])
    assert not slot.has_place(gateway.clock.now + 100)
    gateway.fleet.update([first, second])
    assert slot.has_place(gateway.clock.now)


def test_connections_that_idle_too_long_are_ended(gateway: Gateway) -> None:
    idle = gateway.idle_connection()
    gateway.fleet.sweep(gateway.clock.now + 3)
    assert not idle.closing
    gateway.fleet.sweep(gateway.clock.now + 5)
    assert idle.aborted
    assert gateway.slots[0].pool.take() is None


def test_the_connection_used_last_is_used_next(gateway: Gateway) -> None:
    gateway.idle_connection()
    warm = gateway.idle_connection()
    assert gateway.slots[0].pool.take() is warm.protocol


def test_a_model_without_engines_is_not_routable(gateway: Gateway) -> None:
    assert gateway.fleet.routable("m")
    gateway.fleet.update([])
    assert not gateway.fleet.routable("m")
    assert gateway.fleet.largest_bound() == 1
