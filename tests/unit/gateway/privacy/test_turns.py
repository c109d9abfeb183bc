"""Long searches take turns: nobody waits for another's to end, and whoever leaves is searched for no more."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.in_memory import Gateway

from forebay.gateway.call import Call, Ledger
from forebay.gateway.parts import Parts
from forebay.gateway.privacy import turns
from forebay.gateway.privacy.turns import Turns
from forebay.gateway.refusal import ClientGone, Refusal


@pytest.fixture(autouse=True)
def _every_step_is_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", -1.0)


def call_of(tenant: str) -> Call:
    return Call(cast("Any", None), cast("Any", None), b"", Ledger(0.0, tenant=tenant))


async def over(*calls: Call) -> None:
    async with asyncio.timeout(60):
        while not all(call.is_over for call in calls):  # noqa: ASYNC110  it is the loop's turns that are looked at
            await asyncio.sleep(0)


class Search:
    """So many steps, each noted in a book."""

    def __init__(self, name: str, book: list[str], steps: int) -> None:
        self.name, self.book, self.count = name, book, steps
        self.is_closed = False

    def steps(self) -> Generator[None, None, str]:
        try:
            for _ in range(self.count):
                self.book.append(self.name)
                yield
        finally:
            self.is_closed = True
        return self.name

    async def by_turns(self, taken: Turns, call: Call, held_bytes: int = 0) -> None:
        try:
            assert await taken.take(call, self.steps(), held_bytes) == self.name
        except ClientGone:
            self.book.append(f"{self.name} left")
        except Refusal as refusal:
            self.book.append(f"{self.name} {refusal.code}")


def test_of_several_tenants_each_has_its_turn_before_one_has_another() -> None:
    async def run() -> list[str]:
        book: list[str] = []
        taken, calls = Turns(), [call_of("busy") for _ in range(5)] + [call_of("other")]
        for number, call in enumerate(calls):
            call.run(Search(f"{call.ledger.tenant} {number}", book, 3).by_turns(taken, call))
        await over(*calls)
        return book

    book = asyncio.run(run())
    assert sorted(book) == sorted([f"busy {number}" for number in range(5)] * 3 + ["other 5"] * 3)
    assert book[:6] == ["busy 0", "busy 1", "busy 2", "busy 3", "busy 4", "other 5"]  # as they came
    last = len(book) - 1 - book[::-1].index("other 5")
    assert sum(each.startswith("busy") for each in book[:last]) <= 5 + 3


def test_the_loop_goes_around_between_two_turns() -> None:
    async def run() -> list[str]:
        book: list[str] = []
        taken, searching = Turns(), [call_of("a"), call_of("b")]

        def tick() -> None:
            book.append("tick")
            if not all(call.is_over for call in searching):
                asyncio.get_running_loop().call_soon(tick)

        for call in searching:
            call.run(Search(call.ledger.tenant, book, 4).by_turns(taken, call))
        tick()
        await over(*searching)
        return book

    book = asyncio.run(run())
    between = "".join("." if each == "tick" else each for each in book[2:]).strip(".").split(".")
    assert all(len(turn) <= 1 for turn in between), "two turns without a tick between them"


def test_whoever_leaves_is_searched_for_no_more_and_the_others_go_on() -> None:
    async def run() -> None:
        book: list[str] = []
        taken, leaves, stays = Turns(), call_of("a"), call_of("a")
        leaving, staying = Search("leaving", book, 100), Search("staying", book, 3)
        leaves.run(leaving.by_turns(taken, leaves))
        stays.run(staying.by_turns(taken, stays))
        leaves.interrupt(ClientGone("client_left"))
        await over(stays)
        assert leaving.is_closed
        assert leaves.is_over
        assert book == ["leaving", "staying", "leaving left", "staying", "staying"]

    asyncio.run(run())


def test_what_is_done_in_one_turn_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_S", 60.0)
    book: list[str] = []
    call = call_of("a")

    async def run() -> None:
        call.run(Search("quick", book, 3).by_turns(Turns(), call))
        assert call.is_over

    asyncio.run(run())
    assert book == ["quick"] * 3


def test_what_one_tenant_has_waiting_is_bounded_and_others_wait_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_BYTES", 100)

    async def run() -> list[str]:
        book: list[str] = []
        taken = Turns()
        for rounds in ("first", "second"):
            calls = [(call_of(tenant), size) for tenant, size in (("a", 150), ("a", 1), ("b", 60), ("b", 40), ("b", 1))]
            for number, (call, size) in enumerate(calls):
                call.run(Search(f"{rounds} {number}", book, 2).by_turns(taken, call, size))
            await over(*(call for call, _size in calls))
        return book

    refused = [each for each in asyncio.run(run()) if each.endswith("queue_full")]
    # The first of a tenant waits, however large it is; what has ended leaves its room.
    assert refused == [f"{rounds} {number} queue_full" for rounds in ("first", "second") for number in (1, 4)]


def test_a_worker_that_ended_amid_turns_keeps_none_of_another_loop_waiting(tmp_path: Path) -> None:
    async def left(parts: Parts) -> None:
        call = call_of("a")
        call.run(Search("a", [], 1_000).by_turns(parts.turns, call))
        await asyncio.sleep(0)

    async def run(parts: Parts) -> list[str]:
        book, call = list[str](), call_of("b")
        call.run(Search("b", book, 3).by_turns(parts.turns, call))
        await over(call)
        return book

    asyncio.run(left(Gateway(tmp_path).parts))
    assert asyncio.run(run(Gateway(tmp_path).parts)) == ["b"] * 3
