"""More copies soon, fewer late, and never beyond what the file says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forebay.messages.reasons import because
from forebay.scale.policy import Load, Rules, Scaler, Window

RULES = Rules(least=1, most=4, calls=8.0, up_s=3.0, down_s=60.0)
UNSEEN = because("load_untold", names="e-1")
MONDAY_NOON_S = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()


def run(scaler: Scaler, loads: list[tuple[float, float]], **more: float) -> list[tuple[float, int]]:
    """What is wanted after each look, (time, calls) each; the changes alone."""
    found = []
    for at_s, calls in loads:
        if scaler.decide(Load(at_s=at_s, wall_s=MONDAY_NOON_S, calls=calls, ready=scaler.copies, **more)):  # type: ignore[arg-type]
            found.append((at_s, scaler.copies))
    return found


def seconds(calls: float, first: int, last: int) -> list[tuple[float, float]]:
    return [(float(at), calls) for at in range(first, last)]


def test_a_copy_comes_once_the_load_has_lasted() -> None:
    scaler = Scaler(RULES, 1, 0.0)
    assert run(scaler, seconds(20, 0, 10)) == [(3.0, 3)]
    assert "20 calls, 8 for each copy" in scaler.why


def test_a_moment_of_load_is_no_reason() -> None:
    assert run(Scaler(RULES, 1, 0.0), [*seconds(0, 0, 5), (5.0, 30), (6.0, 30), *seconds(2, 7, 20)]) == []


def test_a_copy_goes_only_after_it_has_long_not_been_needed() -> None:
    scaler = Scaler(RULES, 3, 0.0)
    assert run(scaler, seconds(2, 0, 100)) == [(60.0, 1)]


def test_a_peak_keeps_what_it_needed_for_the_whole_cool_down() -> None:
    scaler = Scaler(RULES, 1, 0.0)
    loads = [*seconds(30, 0, 10), *seconds(1, 10, 40), *seconds(30, 40, 42), *seconds(1, 42, 120)]
    assert run(scaler, loads) == [(3.0, 4), (102.0, 1)]


def test_a_load_between_two_counts_changes_nothing() -> None:
    """Seven calls fit one copy, but not with room to spare: the second stays, and does not come and go."""
    assert run(Scaler(RULES, 2, 0.0), seconds(7, 0, 300)) == []
    assert run(Scaler(RULES, 2, 0.0), seconds(6, 0, 300)) == [(60.0, 1)]


def test_full_caches_ask_for_more_though_calls_are_few() -> None:
    """As long as the copy that was asked for is not there, the same fullness asks for no other."""
    scaler = Scaler(RULES, 2, 0.0)
    for at in range(10):
        scaler.decide(Load(at_s=at, wall_s=MONDAY_NOON_S, calls=4, ready=2, kv_ratio=0.97))
    assert scaler.copies == 3
    assert "KV caches" in scaler.why


def test_what_is_foreseen_is_started_at_once() -> None:
    assert run(Scaler(RULES, 1, 0.0), [(0.0, 1.0)], expected=17.0) == [(0.0, 3)]


@pytest.mark.parametrize(
    ("when", "least"),
    [
        (datetime(2026, 11, 23, 7, 59, tzinfo=UTC), 1),
        (datetime(2026, 11, 23, 8, 0, tzinfo=UTC), 3),
        (datetime(2026, 11, 22, 8, 0, tzinfo=UTC), 1),  # a Sunday
        (datetime(2026, 11, 24, 1, 0, tzinfo=UTC), 2),  # the night that began on Monday
        (datetime(2026, 11, 25, 1, 0, tzinfo=UTC), 1),
    ],
)
def test_a_part_of_the_week_has_a_least_of_its_own(when: datetime, least: int) -> None:
    day = Window(days=frozenset(range(5)), from_minute=8 * 60, to_minute=20 * 60, least=3)
    night = Window(days=frozenset({0}), from_minute=22 * 60, to_minute=6 * 60, least=2)
    rules = Rules(least=1, most=4, calls=8.0, windows=(day, night))
    assert rules.floor(when.timestamp()) == least


def test_a_zone_moves_the_windows() -> None:
    day = Window(days=frozenset(range(7)), from_minute=8 * 60, to_minute=9 * 60, least=3)
    rules = Rules(least=1, most=4, calls=8.0, windows=(day,), zone="Asia/Shanghai")
    assert rules.floor(datetime(2026, 11, 23, 0, 30, tzinfo=UTC).timestamp()) == 3


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 12), st.floats(0, 500), st.floats(0, 1)), min_size=1, max_size=60))
def test_there_are_never_fewer_than_least_nor_more_than_most(looks: list[tuple[float, float, float]]) -> None:
    scaler, at_s = Scaler(Rules(least=2, most=5, calls=4.0, down_s=20.0), 3, 0.0), 0.0
    changed_s = 0.0
    for step_s, calls, cache in looks:
        at_s += step_s
        before = scaler.copies
        scaler.decide(Load(at_s=at_s, wall_s=0.0, calls=calls, ready=before, kv_ratio=cache))
        assert 2 <= scaler.copies <= 5
        if scaler.copies < before:
            assert at_s - changed_s >= 20.0
        if scaler.copies != before:
            changed_s = at_s


def test_what_nobody_looked_at_is_no_time_in_which_nothing_was_needed() -> None:
    """After a change of the release, a suspended machine or a hung controller one quiet look takes no copy."""
    scaler = Scaler(RULES, 3, 0.0)
    assert run(scaler, [*seconds(20, 0, 10), *seconds(0, 1000, 1060)]) == []
    assert run(scaler, seconds(0, 1060, 1062)) == [(1060.0, 1)]


def test_after_a_gap_one_busy_look_starts_no_copy() -> None:
    assert run(Scaler(RULES, 1, 0.0), [*seconds(0, 0, 10), (500.0, 30), (501.0, 0)]) == []


@pytest.mark.parametrize("step_s", [0.5, 0.7, 1.1])
def test_a_copy_comes_also_where_it_may_go_sooner_than_that(step_s: float) -> None:
    scaler = Scaler(Rules(least=1, most=4, calls=8.0, up_s=10.0, down_s=1.0), 1, 0.0)
    (change,) = run(scaler, [(step_s * number, 20.0) for number in range(30)])
    assert 10.0 <= change[0] < 10.0 + 2 * step_s


def looks(scaler: Scaler, first: int, last: int, **load: object) -> list[int]:
    """What is wanted after each second."""
    found = []
    for at_s in range(first, last):
        told = {"wall_s": MONDAY_NOON_S, "calls": 0, "ready": scaler.copies, **load}
        scaler.decide(Load(at_s=float(at_s), **told))  # type: ignore[arg-type]
        found.append(scaler.copies)
    return found


def test_no_copy_goes_while_something_does_not_tell_its_load_nor_long_after() -> None:
    scaler = Scaler(RULES, 3, 0.0)
    assert {*looks(scaler, 0, 200, unseen=UNSEEN)} == {3}
    assert scaler.unseen == UNSEEN
    assert {*looks(scaler, 200, 249)} == {3}
    assert scaler.unseen is None
    assert looks(scaler, 249, 270)[-1] == 1


def test_copies_come_while_something_does_not_tell_its_load() -> None:
    assert looks(Scaler(RULES, 1, 0.0), 0, 20, unseen=UNSEEN, calls=20)[-1] == 3
    assert looks(Scaler(RULES, 1, 0.0), 0, 20, unseen=UNSEEN, expected=20)[-1] == 3


def test_one_answer_that_is_late_is_no_blindness() -> None:
    scaler = Scaler(RULES, 3, 0.0)
    for at_s in range(0, 70, 7):
        looks(scaler, at_s, at_s + 2, unseen=UNSEEN)
        assert scaler.unseen is None
        looks(scaler, at_s + 2, at_s + 7)
    assert scaler.copies == 1


def test_calls_that_others_have_at_the_copies_keep_them() -> None:
    assert {*looks(Scaler(RULES, 3, 0.0), 0, 200, held=15)} == {3}
    assert looks(Scaler(RULES, 3, 0.0), 0, 200, held=3)[-1] == 1


@pytest.mark.parametrize("jump_s", [-20 * 365 * 86400.0, -3600.0, 3600.0, 20 * 365 * 86400.0])
def test_a_clock_that_jumps_moves_windows_alone(jump_s: float) -> None:
    day = Window(days=frozenset(range(7)), from_minute=0, to_minute=60, least=3)
    scaler = Scaler(Rules(least=1, most=4, calls=8.0, down_s=60.0, windows=(day,)), 2, 0.0)
    looks(scaler, 0, 50, calls=10)
    looks(scaler, 50, 55, calls=10, wall_s=MONDAY_NOON_S + jump_s)
    assert looks(scaler, 55, 59, calls=10)[-1] == 2
    assert looks(scaler, 59, 108, calls=0)[-1] == 2
    assert looks(scaler, 108, 125, calls=0)[-1] == 1
