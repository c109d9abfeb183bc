"""A unit is started again at once, then more slowly, and one that never becomes ready not for ever."""

from __future__ import annotations

from forebay.controller.restarts import HOPELESS, LIMIT_S, STEADY_S, History, after_end


def test_one_that_served_is_started_again_at_once() -> None:
    assert after_end(History(), lived_s=5.0, was_ready=True).wait_s == 0.0


def test_short_lives_wait_longer_and_longer_up_to_a_limit() -> None:
    history, waits = History(), []
    for _ in range(12):
        history = after_end(history, lived_s=1.0, was_ready=True)
        waits.append(history.wait_s)
    assert waits == sorted(waits)
    assert waits[-1] == LIMIT_S
    assert not history.hopeless


def test_one_that_never_becomes_ready_is_hopeless_in_the_end() -> None:
    history = History()
    for _ in range(HOPELESS - 1):
        history = after_end(history, lived_s=1.0, was_ready=False)
        assert not history.hopeless
    assert after_end(history, lived_s=900.0, was_ready=False).hopeless


def test_a_steady_life_clears_the_record_but_counts() -> None:
    history = after_end(History(restarts=3, short_lives=4, never_ready=2), lived_s=STEADY_S, was_ready=True)
    assert history == History(restarts=4)
