"""Places are handed out in order, never more than there are, and none is lost."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.in_memory import Gateway
from tests.unit.gateway.entering import Caller, turn, within_a_loop

from forebay.gateway.fleet import EngineSlot
from forebay.gateway.refusal import ClientGone
from forebay.gateway.routing.policy import BreakerPolicy

FIRST = frozenset({"e1"})


@pytest.fixture
def gateway(tmp_path: Path) -> Gateway:
    return Gateway(tmp_path, engines=2, places=1, queue_calls=3)


@within_a_loop
async def test_equals_take_turns(gateway: Gateway) -> None:
    names = []
    for _ in range(4):
        gateway.clock.now += 1
        caller = Caller(gateway)
        names.append(caller.engine)
        caller.leave()
    assert names == ["e1", "e2", "e1", "e2"]


@within_a_loop
async def test_a_place_that_comes_free_goes_to_who_waited_longest(gateway: Gateway) -> None:
    running = [Caller(gateway), Caller(gateway)]
    waiting = [Caller(gateway), Caller(gateway)]
    assert gateway.parts.admission.waiting == 2
    running[1].leave()
    assert waiting[0].got is None  # in the next turn of the loop, not within whoever left
    await turn()
    assert (waiting[0].engine, waiting[1].got) == ("e2", None)
    late = Caller(gateway)
    assert late.got is None
    for held in (running[0], waiting[0]):
        held.leave()
    await turn()
    assert {waiting[1].engine, late.engine} == {"e1", "e2"}
    assert gateway.parts.admission.waiting == 0


@within_a_loop
async def test_the_queue_is_bounded(gateway: Gateway) -> None:
    callers = [Caller(gateway) for _ in range(6)]
    assert [each.engine for each in callers] == ["e1", "e2", "", "", "", "queue_full"]


@within_a_loop
async def test_a_wait_ends_at_its_time(gateway: Gateway) -> None:
    callers = [Caller(gateway), Caller(gateway), Caller(gateway, wait_s=5), Caller(gateway, wait_s=50)]
    gateway.clock.now += 6
    await turn()
    assert [each.engine for each in callers[2:]] == ["queue_timeout", ""]
    assert gateway.parts.admission.waiting == 1


@within_a_loop
async def test_who_leaves_the_queue_leaves_nothing(gateway: Gateway) -> None:
    running = [Caller(gateway), Caller(gateway)]
    gone, waiting = Caller(gateway), Caller(gateway)
    gone.call.interrupt(ClientGone("client_left"))
    assert (gone.engine, gateway.parts.admission.waiting) == ("client_left", 1)
    running[0].leave()
    await turn()
    assert waiting.engine == "e1"
    assert [slot.outstanding for slot in gateway.slots] == [1, 1]


@within_a_loop
async def test_an_engine_that_failed_this_call_is_asked_again_only_when_there_is_no_other(gateway: Gateway) -> None:
    assert Caller(gateway, avoid=FIRST).engine == "e2"
    waiting = Caller(gateway, avoid=FIRST)
    await turn()
    assert waiting.got is None  # e2 is full but alive: it is worth the wait
    gateway.slots[1].ref = msgspec.structs.replace(gateway.slots[1].ref, routable=False)
    await turn()
    assert waiting.engine == "e1"


@within_a_loop
async def test_a_suspended_engine_is_left_alone_twice_as_long_each_time(gateway: Gateway) -> None:
    gateway.fleet.route({}, BreakerPolicy(enabled=False))
    slot = gateway.slots[0]
    for seconds in (0.25, 0.5, 1, 2, 4, 4):
        slot.failed()
        assert not slot.has_place(gateway.clock.now + seconds - 0.01)
        assert slot.has_place(gateway.clock.now + seconds)
    slot.answered()
    slot.failed()
    assert slot.has_place(gateway.clock.now + 0.25)


@within_a_loop
async def test_every_place_comes_back_whatever_happens(gateway: Gateway) -> None:
    callers = [Caller(gateway, wait_s=number % 3) for number in range(5)]
    for number in range(20):
        gateway.clock.now += 0.5
        await turn()
        for caller in callers:
            if isinstance(caller.got, EngineSlot):
                caller.leave()
                caller.got = None
        callers.append(Caller(gateway, wait_s=number % 3))
        if number % 4 == 0:
            callers[-1].call.interrupt(ClientGone("client_left"))
            if isinstance(callers[-1].got, EngineSlot):
                continue
    gateway.clock.now += 10
    await turn()
    for caller in callers:
        if isinstance(caller.got, EngineSlot):
            caller.leave()
    assert [slot.outstanding for slot in gateway.slots] == [0, 0]
    assert gateway.parts.admission.waiting == 0
    assert gateway.counted("forebay_engine_outstanding", "e1") == 0
