"""Which copies run: what is ready stays, nothing goes before as many others are ready, and what waits is told."""

from __future__ import annotations

import pytest

from forebay.controller.parking import Copy, parked, roomless, short_of
from forebay.messages.reasons import because

SLOTS = ("e-1", "e-2", "e-3")
_STATES = {"waits": "starting", "new": "starting", "gone": "draining", "hopeless": "failed", "left": "draining"}


def copies_of(*states: str) -> list[Copy]:
    """One for each slot. `waits`: long for room, `new`: not for long; `gone` does not run; `left` by hand."""
    found = []
    for slot, state in zip(SLOTS, states, strict=False):
        known = _STATES.get(state, state)
        made = Copy(
            name=slot,
            slot=slot,
            state=known,
            why=because(known),
            waits_s={"waits": 60.0, "new": 1.0}.get(state, 0.0),
            runs=state not in ("gone", "hopeless", "failed"),
            troubled=state in ("hopeless", "left"),
        )
        found.append(made)
    return found


def left_of(copies: int, *states: str, tried: tuple[str, ...] = ()) -> str:
    """Which are to run, by their numbers."""
    resting = parked(SLOTS[: len(states)], copies, copies_of(*states), tried)
    return "".join(slot[-1] for slot in SLOTS[: len(states)] if slot not in resting)


@pytest.mark.parametrize(
    ("copies", "states", "left"),
    [
        (1, ("gone", "gone", "gone"), "1"),
        (2, ("ready", "gone", "gone"), "12"),
        (1, ("ready", "ready", "ready"), "1"),
        (2, ("ready", "starting", "ready"), "13"),
        (1, ("starting", "ready", "gone"), "2"),
        (1, ("failed", "ready", "gone"), "2"),
        (1, ("starting", "starting", "gone"), "12"),
        (2, ("ready", "waits", "ready"), "13"),
        (2, ("ready", "waits", "gone"), "12"),
        (1, ("hopeless", "gone", "gone"), "2"),
        (1, ("left", "ready", "gone"), "2"),
        (1, ("left", "gone", "gone"), "12"),
    ],
)
def test_as_many_run_as_are_wanted_and_those_that_are_ready_before_others(
    copies: int, states: tuple[str, ...], left: str
) -> None:
    assert left_of(copies, *states) == left


def test_a_copy_that_drains_is_called_back_where_the_last_other_is_lost() -> None:
    assert left_of(1, "ready", "draining") == "1"
    assert left_of(1, "failed", "draining") == "12"


def test_a_canary_takes_no_copys_place() -> None:
    """It answers its share of the calls alone."""
    assert left_of(1, "failed", "ready", "gone", tried=("e-2",)) == "12"


@pytest.mark.parametrize(
    ("copies", "states", "held"),
    [
        (2, ("ready", "starting"), ""),
        (2, ("ready", "new"), ""),
        (2, ("ready", "waits"), "no_room"),
        (3, ("ready", "new", "waits"), "no_room"),
        (2, ("ready", "hopeless"), "failed"),
        (1, ("hopeless", "ready"), ""),
    ],
)
def test_why_fewer_are_there_than_are_wanted(copies: int, states: tuple[str, ...], held: str) -> None:
    assert short_of(copies_of(*states), copies).held == held


@pytest.mark.parametrize(
    ("copies", "least", "states", "aside"),
    [
        (3, 1, ("ready", "ready", "waits"), {"e-3"}),
        (3, 1, ("ready", "ready", "new"), set()),
        (3, 1, ("waits", "ready", "waits"), {"e-1", "e-3"}),
        (3, 2, ("waits", "ready", "waits"), set()),
        (1, 1, ("waits", "gone", "gone"), set()),
    ],
)
def test_a_change_does_without_copies_beyond_the_fewest_that_long_waited_for_room(
    copies: int, least: int, states: tuple[str, ...], aside: set[str]
) -> None:
    made = copies_of(*states)
    found = roomless(copies, least, made, ())
    assert found == aside
    assert parked(SLOTS, copies, made, (), found) >= aside


def test_a_canary_that_waits_for_room_keeps_waiting() -> None:
    assert roomless(3, 1, copies_of("ready", "ready", "waits"), ("e-3",)) == frozenset()


def test_an_engine_is_not_set_aside_with_the_one_that_is_to_take_its_place() -> None:
    beside = Copy(name="e-1.abcdef", slot="e-1", state="starting", why=because("starting"), waits_s=60.0)
    assert roomless(2, 1, [*copies_of("ready", "ready"), beside], ()) == frozenset()
