"""A call's line goes on for the one thing it waits for, and for nothing else."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from tests.in_memory import Gateway
from tests.unit.gateway.heads import HEAD

from forebay.gateway.call import Call, Ledger


class Gone(Exception):
    pass


@pytest.fixture
def call(tmp_path: Path) -> Call:
    return Call(Gateway(tmp_path).client().protocol, HEAD, b"", Ledger(0.0))


def start(call: Call, *tokens: object) -> list[object]:
    """Run a line that waits for each token in turn; returns what it saw, and the end."""
    seen: list[object] = []

    async def line() -> None:
        try:
            for token in tokens:
                try:
                    seen.append(await call.wait(token))
                except KeyError as error:
                    seen.append(error)
        except Gone:
            seen.append("gone")
        seen.append("end")

    coroutine: Coroutine[Any, Any, None] = line()
    call.run(coroutine)
    return seen


def test_a_line_that_waits_for_nothing_runs_to_its_end(call: Call) -> None:
    assert start(call) == ["end"]


def test_a_signal_reaches_the_one_who_waits_for_it(call: Call) -> None:
    seen = start(call, "a", "b")
    call.signal("a", 1)
    call.signal("b", 2)
    assert seen == [1, 2, "end"]


def test_a_stale_signal_is_no_error(call: Call) -> None:
    seen = start(call, "a", "b")
    call.signal("b", 0)
    call.fail("b", KeyError())
    assert seen == []
    call.signal("a", 1)
    call.signal("a", 1)
    call.fail("a", KeyError())
    assert seen == [1]
    call.signal("b", 2)
    call.signal("b", 3)
    call.interrupt(Gone())
    assert seen == [1, 2, "end"]


def test_equal_tokens_are_not_the_same_token(call: Call) -> None:
    token = object()
    seen = start(call, token)
    call.signal(object(), 1)
    assert seen == []
    call.signal(token, 1)
    assert seen == [1, "end"]


def test_a_failure_is_raised_where_the_line_waits(call: Call) -> None:
    error = KeyError()
    seen = start(call, "a", "b")
    call.fail("a", error)
    call.signal("b", 2)
    assert seen == [error, 2, "end"]


def test_an_interruption_is_raised_wherever_the_line_waits(call: Call) -> None:
    seen = start(call, "a", "b")
    call.signal("a", 1)
    call.interrupt(Gone())
    assert seen == [1, "gone", "end"]


def test_an_interruption_of_a_line_that_runs_is_raised_at_its_next_wait(call: Call) -> None:
    seen = []

    async def line() -> None:
        call.interrupt(Gone())
        seen.append("runs on")
        try:
            await call.wait("a")
        except Gone:
            seen.append("gone")

    call.run(line())
    assert seen == ["runs on", "gone"]


def test_signals_from_within_the_line_s_own_step_do_not_enter_it_twice(call: Call) -> None:
    seen = []

    async def line() -> None:
        await call.wait("a")
        call.signal("a", "again")
        call.fail("a", KeyError())
        seen.append(await call.wait("a"))

    call.run(line())
    call.signal("a", 1)
    assert seen == []
    call.signal("a", 2)
    assert seen == [2]
