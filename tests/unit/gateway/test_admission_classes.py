"""Classes at the door: reserved places, who steps aside, who is told at once that it is hopeless."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.in_memory import Gateway
from tests.unit.gateway.entering import Caller, turn, within_a_loop

from forebay.gateway.fleet import EngineSlot
from forebay.gateway.queue.policy import QueueClass, QueuePolicy
from forebay.gateway.refusal import ClientGone, Refusal

FIRST = frozenset({"e1"})
RULES = QueuePolicy(
    classes=(QueueClass(name="high", weight=8, reserved_ratio=0.5), QueueClass(name="low", calls=3)), default="low"
)


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, engines=2, places=1, queue_calls=30)


@within_a_loop
async def test_a_place_is_kept_for_the_class_it_is_reserved_for(gateway: Gateway) -> None:
    gateway.parts.admission.use(RULES, 30)
    low = [Caller(gateway, "low"), Caller(gateway, "low")]
    await turn()
    assert [isinstance(each.got, EngineSlot) for each in low] == [True, False]
    high = Caller(gateway, "high")
    await turn()
    assert isinstance(high.got, EngineSlot)
    high.leave()
    await turn()
    assert low[1].got is None  # still kept
    low[0].leave()
    await turn()
    assert isinstance(low[1].got, EngineSlot)
    low[1].leave()
    assert gateway.counted("forebay_queue_class_outstanding", "m", "low") == 0
    assert gateway.counted("forebay_queue_class_outstanding", "m", "high") == 0


@within_a_loop
async def test_places_are_counted_right_through_a_reload(gateway: Gateway) -> None:
    unnamed = Caller(gateway)
    gateway.parts.admission.use(RULES, 30)
    named = Caller(gateway, "high")
    gateway.parts.admission.use(QueuePolicy(), 30)
    for each in (unnamed, named):
        each.leave()
    assert gateway.counted("forebay_queue_class_outstanding", "m", "high") == 0
    assert [slot.outstanding for slot in gateway.slots] == [0, 0]


@within_a_loop
async def test_who_cannot_take_a_free_engine_steps_aside_and_is_first_at_the_next(gateway: Gateway) -> None:
    running = [Caller(gateway), Caller(gateway)]
    by_name = {each.engine: each for each in running}
    picky, other, later = Caller(gateway, avoid=FIRST), Caller(gateway), Caller(gateway)
    by_name["e1"].leave()
    await turn()
    assert (picky.got, other.engine) == (None, "e1")
    by_name["e2"].leave()
    await turn()
    assert (picky.engine, later.got) == ("e2", None)


@within_a_loop
async def test_who_stepped_aside_may_leave_or_run_out_of_time(gateway: Gateway) -> None:
    running = [Caller(gateway), Caller(gateway)]
    by_name = {each.engine: each for each in running}
    gone, late = Caller(gateway, avoid=FIRST), Caller(gateway, avoid=FIRST, wait_s=5)
    by_name["e1"].leave()
    await turn()
    gone.call.interrupt(ClientGone("client_left"))
    gateway.clock.now += 6
    await turn()
    assert isinstance(gone.got, ClientGone)
    assert late.engine == "queue_timeout"
    assert gateway.parts.admission.waiting == 0


@within_a_loop
async def test_a_class_has_a_bound_of_its_own(gateway: Gateway) -> None:
    gateway.parts.admission.use(RULES, 30)
    low = [Caller(gateway, "low") for _ in range(5)]
    assert [each.engine for each in low[1:]] == [""] * 3 + ["queue_full"]
    Caller(gateway, "high")
    high = Caller(gateway, "high")
    assert high.got is None


@within_a_loop
async def test_a_hopeless_call_is_refused_unless_no_engine_runs_at_all(gateway: Gateway) -> None:
    running = [Caller(gateway), Caller(gateway)]
    waiting = [Caller(gateway, wait_s=1000) for _ in range(20)]
    for _ in range(10):
        gateway.clock.now += 5
        running.pop(0).leave()
        await turn()
        running.append(waiting.pop(0))
    hopeless = Caller(gateway, wait_s=20)
    assert hopeless.engine == "wait_too_long"
    assert isinstance(hopeless.got, Refusal)
    assert 25 <= hopeless.got.retry_after_s <= 45  # ten wait, one place comes free in five seconds
    for slot in gateway.slots:
        slot.ref = msgspec.structs.replace(slot.ref, routable=False)
    assert Caller(gateway, wait_s=20).got is None  # how long until one comes back nobody knows
