"""The laws: what empties nothing, what drains, what is damped."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forebay.discovery.found import MOST_ENGINES, Found
from forebay.discovery.membership import LONGEST_HOLD_S, Membership

SETTLE_S = 5.0


def engine(name: str, port: int = 0) -> Found:
    return Found(name=name, host="10.0.0.1", port=port or 1000 + ord(name[0]))


A, B, C = engine("a"), engine("b"), engine("c")


def following(*known: Found) -> Membership:
    return Membership(SETTLE_S, known, 0.0)


def test_an_engine_that_is_found_is_a_member_at_once() -> None:
    fleet = following()
    fleet.answered((B, A), 0.0)
    assert fleet.members == (A, B)


def test_an_engine_that_is_missing_leaves_when_it_has_been_for_long_enough() -> None:
    fleet = following(A, B)
    fleet.answered((A,), 10.0)
    fleet.settle(10.0 + SETTLE_S - 0.1)
    assert fleet.members == (A, B)
    fleet.settle(10.0 + SETTLE_S)
    assert fleet.members == (A,)


def test_an_engine_that_is_missing_for_a_moment_never_leaves() -> None:
    fleet = following(A, B)
    fleet.answered((A,), 10.0)
    fleet.answered((A, B), 12.0)
    fleet.settle(100.0)
    assert fleet.members == (A, B)


def test_an_empty_answer_changes_nothing_and_says_so() -> None:
    fleet = following(A)
    fleet.answered((), 1.0)
    fleet.settle(1000.0)
    assert fleet.members == (A,)
    assert fleet.trouble == "the answer is empty"


def test_nobody_leaves_while_the_source_fails() -> None:
    fleet = following(A, B)
    fleet.answered((A,), 1.0)
    fleet.failed("no answer")
    fleet.settle(1000.0)
    assert fleet.members == (A, B)
    fleet.answered((A,), 1001.0)
    assert fleet.members == (A,)
    assert not fleet.trouble


def test_an_answer_that_names_too_many_is_taken_for_a_mistake() -> None:
    fleet = following(A)
    fleet.answered(tuple(Found(name=f"e{n}", host="h", port=n + 1) for n in range(MOST_ENGINES + 1)), 1.0)
    assert fleet.members == (A,)
    assert str(MOST_ENGINES) in fleet.trouble


def test_one_that_left_comes_back_at_once_but_one_that_flaps_must_stay_longer_each_time() -> None:
    fleet = following(A, B)
    holds, now_s = [], 0.0
    for _ in range(12):
        fleet.answered((A,), now_s)
        now_s += SETTLE_S
        fleet.settle(now_s)
        assert fleet.members == (A,)
        fleet.answered((A, B), now_s)
        returned_s = now_s
        while B not in fleet.members:
            now_s += 1.0
            fleet.settle(now_s)
        holds.append(now_s - returned_s)
    assert holds[:5] == [0.0, 5.0, 10.0, 20.0, 40.0]
    assert max(holds) == LONGEST_HOLD_S


def test_when_all_others_leave_one_that_flaps_is_better_than_none() -> None:
    fleet = following(A, B)
    for now_s in (0.0, 10.0):
        fleet.answered((A,), now_s)
        fleet.settle(now_s + SETTLE_S)
        fleet.answered((A, B), now_s + SETTLE_S)
    assert fleet.members == (A,)
    fleet.answered((B,), 16.0)
    fleet.settle(16.0 + SETTLE_S)
    assert fleet.members == (B,)


def test_an_engine_keeps_its_name_when_it_moves_but_does_not_move_all_the_time() -> None:
    fleet = following(A)
    fleet.answered((engine("a", 1),), 10.0)
    assert fleet.members == (engine("a", 1),)
    fleet.answered((engine("a", 2),), 11.0)
    assert fleet.members == (engine("a", 1),)
    fleet.answered((engine("a", 2),), 10.0 + SETTLE_S)
    assert fleet.members == (engine("a", 2),)


def test_one_server_under_two_names_is_one_engine() -> None:
    fleet = following()
    fleet.answered((engine("a", 7), engine("b", 7)), 0.0)
    assert fleet.members == (engine("a", 7),)


ANSWERS = st.lists(
    st.tuples(st.floats(0, 30), st.one_of(st.none(), st.lists(st.sampled_from([A, B, C]), unique=True).map(tuple))),
    max_size=40,
)


@given(ANSWERS)
def test_whatever_the_answers_a_fleet_that_was_not_empty_never_is(answers: list[tuple[float, object]]) -> None:
    fleet, now_s = following(A), 0.0
    for wait_s, answer in answers:
        now_s += wait_s
        fleet.settle(now_s)
        assert fleet.members
        if answer is None:
            fleet.failed("no answer")
        else:
            fleet.answered(answer, now_s)  # type: ignore[arg-type]
        assert fleet.members


@given(ANSWERS, st.sets(st.sampled_from([A, B, C]), min_size=1))
def test_whatever_came_before_what_is_told_long_enough_is_the_fleet(
    answers: list[tuple[float, object]], last: set[Found]
) -> None:
    fleet, now_s = following(), 0.0
    for wait_s, answer in answers:
        now_s += wait_s
        fleet.answered(answer or (), now_s)  # type: ignore[arg-type]
    fleet.answered(tuple(last), now_s)
    fleet.settle(now_s + LONGEST_HOLD_S + SETTLE_S)
    assert set(fleet.members) == last
