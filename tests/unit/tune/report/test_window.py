"""The steady part of a run is where its load was whole."""

import pytest

from forebay.tune.load.frames import Within
from forebay.tune.load.workload import Arrivals, Workload
from forebay.tune.report.assemble import tokens_interval, window
from forebay.tune.report.rows import Row

COUNTS = {"planned_input": 8, "planned_output": 8, "input_tokens": 8, "told": 8, "tokens": 8, "events": 8}


def row(begun_s, took_s):
    times = {"intended_s": begun_s, "sent_s": begun_s, "first_s": begun_s + 0.1, "last_s": begun_s + took_s}
    return Row(**times, **COUNTS, ended_s=begun_s + took_s, disputed=False, reason="", rejected=False)


def rounds(took_s, until_s):
    """Four clients that begin one after the other, and what they ask before the end."""
    found = [row(client * 0.9 + n * took_s, took_s) for client in range(4) for n in range(100)]
    return sorted((each for each in found if each.intended_s < until_s), key=lambda each: each.intended_s)


def load(*, hold):
    come = Arrivals(shape="closed", concurrency=4, spread_s=3.6, hold=hold)
    return Workload(arrivals=come, duration_s=14.0, warm_up_s=6.0)


def test_answers_longer_than_the_window_do_not_stretch_it_over_a_load_that_is_not_counted():
    """Others take the places of those that end later: their time without their tokens would make a service slower."""
    found = rounds(12.0, 14.0)
    assert window(load(hold=True), found) == (6.0, 14.0)
    assert window(load(hold=False), found)[1] == pytest.approx(25.8)


def test_a_window_in_which_nothing_ended_lasts_until_something_did():
    found = rounds(14.5, 29.0)
    held = Workload(arrivals=load(hold=True).arrivals, duration_s=20.0, warm_up_s=14.0)
    usable = [each for each in found if each.intended_s >= 14.0 and each.intended_s < 20.0]
    assert window(held, usable)[1] == max(each.ended_s for each in usable)


def test_the_silence_behind_an_engine_that_died_is_a_part_of_how_sure_its_rate_is():
    """Half of the time 160 tokens a second, then none: what is told lies around 80."""
    low, high = tokens_interval([Within({}, 640.0, [16.0] * 40)], 0.1, (0.0, 8.0))
    assert low < 80 < high
